/** Writes shared/events/asyncapi.json: `npm run generate`. */
import { writeFileSync } from 'node:fs';
import { asyncApi } from './asyncapi.ts';

writeFileSync(new URL('asyncapi.json', import.meta.url), `${JSON.stringify(asyncApi(), null, 2)}\n`);
