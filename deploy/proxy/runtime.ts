/** HAProxy's runtime API: each connection to its stats socket carries one command and its answer. */
import { createConnection } from 'node:net';

const ANSWER_MS = 5000;

/** Rejects if no answer arrives in time. */
export function runtimeCommand(socketPath: string, command: string): Promise<string> {
  return new Promise((answered, failed) => {
    const socket = createConnection(socketPath);
    let text = '';
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer to "${command}"`)));
    socket.setEncoding('utf8');
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('error', failed);
    socket.on('end', () => answered(text.trim()));
    socket.write(`${command}\n`);
  });
}
