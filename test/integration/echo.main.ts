/** Runs the echo service as a process, so that `mptcpize` can make its sockets MPTCP. Prints its port. */
import { echoServer } from './echo.ts';

console.log((await echoServer()).port);
