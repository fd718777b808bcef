/** Writes deploy/monitoring/grafana/tagalong.json: `npm run generate`. */
import { writeFileSync } from 'node:fs';
import { dashboard } from './dashboard.ts';

writeFileSync(new URL('grafana/tagalong.json', import.meta.url), `${JSON.stringify(dashboard(), null, 2)}\n`);
