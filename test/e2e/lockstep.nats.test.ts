/** Separate processes at one virtual time, on a real NATS server. */
import { onNats, startNats } from '../servers/nats.ts';
import { lockstepOn } from './lockstep-on.ts';

onNats('a replay onto processes on NATS', () => lockstepOn(() => startNats()));
