/** Real Apache Kafka for tests: KRaft nodes on free loopback ports, with a directory of their own, gone when stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { freePorts } from '#deploy/local/loopback.ts';

const SERVERS = new URL('../../deploy/servers/kafka/', import.meta.url).pathname;
const START_MS = 60_000;
/** The same id for all: what tells runs apart is their ports and directories. */
const CLUSTER_ID = 'dGFnYWxvbmctdGVzdHMtMQ';

/** Groups settle at once, dead members and dead nodes are noticed within seconds, compaction comes when there is something to compact. */
const QUICK = {
  'group.initial.rebalance.delay.ms': 0,
  'group.min.session.timeout.ms': 1_000,
  // The usual 9 s are what a cluster stands still for when it loses a node: its partitions have no leader meanwhile.
  'broker.session.timeout.ms': 3_000,
  'broker.heartbeat.interval.ms': 500,
  'offsets.topic.num.partitions': 4,
  'log.cleaner.backoff.ms': 200,
  'log.initial.task.delay.ms': 200,
  'log.cleaner.dedupe.buffer.size': 2_000_000,
  'num.network.threads': 2,
  'num.io.threads': 2,
  'auto.create.topics.enable': false,
};

/**
 * The usual 9 s are what a cluster stands still for when it loses a node: so long its partitions have no leader. Of a single
 * node nothing is gained by it, and a busy machine must not take it for lost.
 */
const QUICK_CLUSTER = { 'broker.session.timeout.ms': 4_000, 'broker.heartbeat.interval.ms': 500 };

/** A running cluster. */
export interface KafkaServers {
  /** `host:port` of each node. */
  readonly brokers: readonly string[];
  /** A node goes on holding its connections and answers nothing, until it is killed. */
  halt(node: number): Promise<void>;
  /** Ends a node without a word, as a power cut does. */
  kill(node: number): Promise<void>;
  /** Starts a node that was killed, with the data it had. */
  restart(node: number): Promise<void>;
  /** Ends all nodes and removes their data. */
  stop(): Promise<void>;
}

/** What is not as usual. */
export interface KafkaServerOptions {
  readonly nodes?: number;
  /** The protocol that clients speak. @default PLAINTEXT */
  readonly protocol?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  readonly properties?: Readonly<Record<string, string | number>>;
  /** More options of the formatting: the users of SCRAM. */
  readonly format?: readonly string[];
}

/** Starts a cluster and waits until each node takes connections and knows the others. */
export async function startKafka(options: KafkaServerOptions = {}): Promise<KafkaServers> {
  const { nodes = 1, format = [] } = options;
  const directory = mkdtempSync(join(tmpdir(), `tagalong-kafka-${process.pid}-`));
  const ports = await freePorts(nodes * 2);
  const running: Node[] = [];
  const start = async (node: number) => {
    const file = join(directory, `${node}.properties`);
    writeFileSync(file, propertiesOf(node, ports, join(directory, `${node}`), options));
    running[node] = new Node(file, format);
    await running[node].takesConnections(ports[node]!);
  };
  const stop = async () => {
    await Promise.all(running.map((node) => node.end()));
    rmSync(directory, { recursive: true, force: true });
  };
  const brokers = ports.slice(0, nodes).map((port) => `127.0.0.1:${port}`);
  try {
    await Promise.all(brokers.map((_, node) => start(node)));
    if (nodes > 1) await Promise.all(brokers.map((broker) => knows(broker, nodes)));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers,
    halt: (node) => running[node]!.halt(),
    kill: (node) => running[node]!.kill(),
    restart: start,
    stop,
  };
}

/** One node, from its start to its end. */
class Node {
  readonly #script: ChildProcess;
  readonly #pid: Promise<number>;
  readonly #ended: Promise<unknown>;
  #said = '';

  constructor(properties: string, format: readonly string[]) {
    const args = [`${SERVERS}start.sh`, properties, CLUSTER_ID, ...format];
    this.#script = spawn('sh', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#ended = once(this.#script, 'exit');
    this.#script.stderr!.on('data', (data) => {
      this.#said = (this.#said + data).slice(-10_000);
    });
    this.#pid = once(createInterface(this.#script.stdout!), 'line').then(([line]) => Number(line));
  }

  async takesConnections(port: number): Promise<void> {
    const until = Date.now() + START_MS;
    while (!(await canConnect(port))) {
      if (Date.now() > until || this.#script.exitCode !== null) {
        throw new Error(`Kafka did not start:\n${this.#said}`);
      }
      await sleep(50);
    }
  }

  async halt(): Promise<void> {
    process.kill(await this.#pid, 'SIGSTOP');
  }

  async kill(): Promise<void> {
    process.kill(await this.#pid, 'SIGKILL');
    await this.end();
  }

  async end(): Promise<void> {
    // A graceful end of one of several nodes waits for the others; nobody needs this data any more.
    const pid = await Promise.race([this.#pid, this.#ended.then(() => undefined)]);
    if (pid !== undefined) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
    this.#script.stdin!.end();
    await this.#ended;
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

/** Resolves when a node that takes connections has heard of all others: before, topics cannot lie on them. */
async function knows(broker: string, nodes: number): Promise<void> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  for (const until = Date.now() + START_MS; (await admin.describeCluster()).brokers.length < nodes; await sleep(50)) {
    if (Date.now() > until) throw new Error(`Kafka did not start: ${broker} does not know ${nodes} nodes`);
  }
  await admin.disconnect();
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** A prefix that no other test has: isolation without a cluster for each. */
export function freshPrefix(): string {
  return `t${randomBytes(6).toString('hex')}`;
}
