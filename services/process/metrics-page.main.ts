/** Writes services/monitor/METRICS.md: `npm run generate`. */
import { writeFileSync } from 'node:fs';
import { metricsPage } from './metrics-page.ts';

writeFileSync(new URL('../monitor/METRICS.md', import.meta.url), await metricsPage());
// The event loop's own metrics keep a process alive.
process.exit(0);
