/** Two installations use one prefix on one NATS server. */
import { onNats, startNats } from '../servers/nats.ts';
import { installationsOn } from './installation-on.ts';

onNats('on NATS', () => installationsOn(() => startNats()));
