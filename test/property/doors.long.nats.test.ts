/** The tests of rule 9's doors on a real NATS server. */
import { onNats, startNats } from '../servers/nats.ts';
import { doorsOnServer } from './doors-server.ts';

onNats('rule 9 on NATS', () => doorsOnServer(() => startNats()));
