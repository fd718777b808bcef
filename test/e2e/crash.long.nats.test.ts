/** Kills processes in real time, on NATS. */
import { onNats, startNats } from '../servers/nats.ts';
import { crashOn } from './crash-on.ts';

onNats('rule 6 on NATS: processes of ingest, placement and migrator are killed', () => crashOn(() => startNats()));
