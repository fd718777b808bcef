/** Two installations that reach one NATS server under one prefix. */
import { onNats, startNats } from '../servers/nats.ts';
import { installationsOn } from './installation-on.ts';

onNats('on NATS', () => installationsOn(() => startNats()));
