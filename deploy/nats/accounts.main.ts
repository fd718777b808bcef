/** Writes deploy/nats/accounts.conf: `npm run generate`. */
import { writeFileSync } from 'node:fs';
import { accountsConf } from './accounts.ts';

writeFileSync(new URL('accounts.conf', import.meta.url), accountsConf());
