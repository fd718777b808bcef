/** Processes of their own on a real NATS server, at one virtual time. */
import { onNats, startNats } from '../servers/nats.ts';
import { lockstepOn } from './lockstep-on.ts';

onNats('replayed onto processes on NATS', () => lockstepOn(() => startNats()));
