/** The route by which a page learns who has signed in, and what that person may do. */
import Type from 'typebox';
import { ROLES } from '#shared/roles.ts';
import type { HttpSurface } from './http.ts';

/** The answer to `GET /v1/caller`. */
export const CallerView = Type.Object({ name: Type.String(), role: Type.Enum([...ROLES]) });

/** Adds `GET /v1/caller`: name and role of the caller. Every process has it. */
export function registerCaller({ app }: HttpSurface): void {
  app.get('/v1/caller', { config: { access: 'read' } }, async ({ caller: { name, role } }) => ({ name, role }));
}
