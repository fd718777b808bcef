import type { SetAside } from '#shared/store/set-aside.ts';
import type { HttpSurface } from './http.ts';

/** `GET /v1/set-aside`: the records that the services of this process have set aside. */
export function registerSetAside({ app }: HttpSurface, setAside: SetAside): void {
  app.get('/v1/set-aside', { config: { access: 'read' } }, async () => ({ setAside: setAside.list() }));
}
