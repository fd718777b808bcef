import { orderedBy } from '../runtime/audit.ts';
import type { HttpSurface } from '../runtime/http.ts';
import type { MigratorService } from './service.ts';

/**
 * The routes of the migrator:
 * - `GET /v1/migrations`: whether it is the leader (`onDuty`), and the migrations that have not ended
 * - `DELETE /v1/migrations/:migration`: cancels one, until it switches over; the name of its VM will do
 */
export function registerMigrator({ app, health }: HttpSurface, migrator: MigratorService): void {
  health('migrator', () => migrator.ready());
  app.get('/v1/migrations', { config: { access: 'read' } }, async () => ({
    onDuty: migrator.isLeader,
    migrations: migrator.status(),
  }));
  app.delete<{ Params: { migration: string } }>(
    '/v1/migrations/:migration',
    { config: { access: 'operate' } },
    async ({ params, caller }, reply) => {
      const migration = await migrator.cancel(params.migration, 'operator', orderedBy(caller));
      return reply.code(202).send({ migration });
    },
  );
}
