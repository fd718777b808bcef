/** The echo service as a process of its own, so that `mptcpize` can open its sockets. Prints its port. */
import { echoServer } from './echo.ts';

console.log((await echoServer()).port);
