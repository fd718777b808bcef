import { qemuAgent } from '#services/agent/agent.ts';
import { checkServing, serveAgent } from '#services/agent/http.ts';
import { agentSettings } from '#shared/config/agent.ts';
import { createLog } from '#shared/log.ts';
import { aborted, stopRequest } from './signals.ts';

/**
 * Runs a site's agent until the process is asked to stop, and prints its address. The VMs outlive the agent.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, PORT_UNAVAILABLE
 */
export async function runAgent(path: string): Promise<void> {
  const config = await agentSettings.load(path);
  const stop = stopRequest();
  const log = createLog(config.log.level);
  const agent = qemuAgent({ config, log });
  // Checks this before the agent changes anything on its host. The agent listens only after it has found its VMs again.
  await checkServing(config);
  await agent.start();
  const server = await serveAgent(agent, config, log);
  try {
    const { listen } = config;
    process.stdout.write(`${'socket' in listen ? `unix:${listen.socket}` : `https://${listen.host}:${listen.port}`}\n`);
    await aborted(stop);
  } finally {
    await server.close();
    await agent.stop();
  }
}
