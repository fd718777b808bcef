/** Starts real Apache Kafka for tests: KRaft nodes on free loopback ports, with their data in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { freePorts, onFreePorts, portTaken } from '#deploy/local/loopback.ts';
import { type Child, watchChild } from '#shared/child.ts';
import { until } from '#shared/clock/retry.ts';

const SERVERS = new URL('../../deploy/servers/kafka/', import.meta.url).pathname;
const START_MS = 60_000;
/** One id for all clusters: ports and folders keep them apart. */
const CLUSTER_ID = 'dGFnYWxvbmctdGVzdHMtMQ';

/** Settings for fast tests: groups settle at once, dead members and nodes are noticed within seconds, compaction runs often. */
const QUICK = {
  'group.initial.rebalance.delay.ms': 0,
  'group.min.session.timeout.ms': 1_000,
  'offsets.topic.num.partitions': 4,
  'log.cleaner.backoff.ms': 200,
  'log.initial.task.delay.ms': 200,
  'log.cleaner.dedupe.buffer.size': 2_000_000,
  'num.network.threads': 2,
  'num.io.threads': 2,
  'auto.create.topics.enable': false,
};

/** Settings of a cluster. With the default of 9 s, the partitions of a lost node have no leader for that time. */
const QUICK_CLUSTER = { 'broker.session.timeout.ms': 4_000, 'broker.heartbeat.interval.ms': 500 };

/** A running Kafka cluster. */
export interface KafkaServers {
  /** `host:port` of each node. */
  readonly brokers: readonly string[];
  /** Suspends a node: it keeps its connections and answers nothing until it is killed. */
  halt(node: number): Promise<void>;
  /** Kills a node, like a power failure. */
  kill(node: number): Promise<void>;
  /** Starts a killed node with its data, and waits until all nodes know each other. */
  restart(node: number): Promise<void>;
  /** Ends all nodes and removes their data. */
  stop(): Promise<void>;
}

/** Differences from the default cluster. */
export interface KafkaServerOptions {
  readonly nodes?: number;
  /** The protocol that clients speak. @default PLAINTEXT */
  readonly protocol?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  readonly properties?: Readonly<Record<string, string | number>>;
  /** Further options of formatting, such as users of SCRAM. */
  readonly format?: readonly string[];
}

/**
 * Starts a cluster, and waits until each node accepts connections and knows the others. A node cannot pick its ports, because the
 * other nodes and the clients must know them.
 * @param pick finds free ports
 */
export function startKafka(options: KafkaServerOptions = {}, pick = freePorts): Promise<KafkaServers> {
  return onFreePorts((options.nodes ?? 1) * 2, (ports) => startAt(ports, options), pick);
}

async function startAt(ports: readonly number[], options: KafkaServerOptions): Promise<KafkaServers> {
  const { nodes = 1, format = [] } = options;
  const directory = mkdtempSync(join(tmpdir(), `tagalong-kafka-${process.pid}-`));
  const running: Node[] = [];
  const start = async (node: number) => {
    const file = join(directory, `${node}.properties`);
    writeFileSync(file, propertiesOf(node, ports, join(directory, `${node}`), options));
    running[node] = new Node(file, format);
    await running[node].takesConnections(ports[node]!);
  };
  const stop = async () => {
    await Promise.all(running.map((node) => node.kill()));
    rmSync(directory, { recursive: true, force: true });
  };
  const brokers = ports.slice(0, nodes).map((port) => `127.0.0.1:${port}`);
  try {
    await Promise.all(brokers.map((_, node) => start(node)));
    if (nodes > 1) await Promise.all(brokers.map((broker) => knows(broker, nodes)));
  } catch (error) {
    await stop();
    throw running.map((node) => node.portTaken).find(Boolean) ?? error;
  }
  return {
    brokers,
    halt: (node) => running[node]!.halt(),
    kill: (node) => running[node]!.kill(),
    async restart(node) {
      await start(node);
      await Promise.all(brokers.map((broker) => knows(broker, nodes)));
    },
    stop,
  };
}

/** One node of a cluster. */
class Node {
  readonly #script: ChildProcess;
  readonly #child: Child;
  readonly #pid: Promise<string>;

  constructor(properties: string, format: readonly string[]) {
    this.#script = spawn('sh', [`${SERVERS}start.sh`, properties, CLUSTER_ID, ...format], { stdio: 'pipe' });
    this.#child = watchChild(this.#script, { keepChars: 10_000 });
    this.#pid = this.#child.printed(/^\d+$/m);
    // If there is no process id, the node has not started, and takesConnections reports it.
    this.#pid.catch(() => {});
  }

  /** Waits for the node's own message: at a taken port, another program may accept connections. */
  async takesConnections(port: number): Promise<void> {
    await this.#child.printed(new RegExp(`Awaiting socket connections on 127\\.0\\.0\\.1:${port}\\b`), START_MS);
  }

  /** The error if the node has ended because of a taken port. */
  get portTaken(): Error | undefined {
    return portTaken('Kafka', this.#child.stderr);
  }

  async halt(): Promise<void> {
    process.kill(Number(await this.#pid), 'SIGSTOP');
  }

  /** Kills the node. A graceful end would wait for the other nodes, and the data is not needed. */
  async kill(): Promise<void> {
    this.#script.stdin!.end();
    await this.#child.ended;
  }
}

function propertiesOf(node: number, ports: readonly number[], data: string, options: KafkaServerOptions): string {
  const { nodes = 1, protocol = 'PLAINTEXT', properties = {} } = options;
  const replicas = Math.min(nodes, 3);
  const address = `CLIENTS://127.0.0.1:${ports[node]}`;
  const all = {
    'process.roles': 'broker,controller',
    'node.id': node + 1,
    'controller.quorum.voters': Array.from(
      { length: nodes },
      (_, i) => `${i + 1}@127.0.0.1:${ports[nodes + i]}`,
    ).join(),
    listeners: `${address},CONTROLLER://127.0.0.1:${ports[nodes + node]}`,
    'advertised.listeners': address,
    'listener.security.protocol.map': `CLIENTS:${protocol},CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'CLIENTS',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': data,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': 1,
    ...QUICK,
    ...(nodes > 1 && QUICK_CLUSTER),
    ...properties,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** Waits until a node knows all others. Before that, topics cannot use them. */
async function knows(broker: string, nodes: number): Promise<void> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const knowsAll = async () => (await admin.describeCluster()).brokers.length >= nodes;
  const isInTime = await until(knowsAll, { everyMs: 50, withinMs: START_MS });
  await admin.disconnect();
  if (!isInTime) throw new Error(`Kafka did not start: ${broker} does not know ${nodes} nodes`);
}

/** A unique prefix, which isolates a test on a shared cluster. */
export function freshPrefix(): string {
  return `t${randomBytes(6).toString('hex')}`;
}
