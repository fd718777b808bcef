/** One member of a group on the bus: its consumer, the events that it skips, and the dead letters of records that it cannot read. */
import { randomUUID } from 'node:crypto';
import { BUS_ROLE } from '../../connection/role.ts';
import type { EventType } from '../../events/index.ts';
import { groupIdOf, type KafkaClient, unreachable } from '../../kafka/client.ts';
import { type Fetched, GroupConsumer } from '../../kafka/consumer.ts';
import { brokerOffsets, LocalOffsets, type Offsets } from '../../kafka/offsets.ts';
import { Peers } from '../../kafka/peers.ts';
import { AUDIT_TYPE } from '../audited.ts';
import { type Handler, LATEST_KEPT, type Subscribe } from '../bus.ts';
import { deadLetter } from '../dead-letter.ts';
import type { LocalOffset } from './lag.ts';
import { CatchUp, endsOf } from './latest.ts';
import type { Publisher } from './publisher.ts';
import { type Topics, topicOf } from './topics.ts';
import { readRecords, undecodableDeadLetter } from './wire.ts';
import { type Work, workOff } from './work-off.ts';

/** The dependencies of a member. */
export interface MemberParts {
  readonly client: KafkaClient;
  readonly topics: Topics;
  readonly partitions: number;
  readonly publisher: Publisher;
}

/** One member of a group, from `start` to `stop`. */
export class Member {
  readonly #parts: MemberParts;
  readonly #group: string;
  readonly #types: ReadonlySet<EventType>;
  readonly #consumer: GroupConsumer;
  readonly #work: Work;
  readonly #own: LocalOffsets | undefined;
  readonly #catchUp: CatchUp | undefined;

  private constructor(
    parts: MemberParts,
    options: Subscribe,
    handler: Handler,
    own?: { readonly offsets: LocalOffsets; readonly catchUp: CatchUp },
  ) {
    const { client, topics, publisher } = parts;
    const { group, exclusive = false, assigned } = options;
    const types = options.types.filter((type) => type !== AUDIT_TYPE);
    this.#parts = parts;
    this.#group = group;
    this.#types = new Set(types);
    this.#own = own?.offsets;
    this.#catchUp = own?.catchUp;
    this.#work = {
      handler,
      async reject({ event }, error) {
        const letter = deadLetter(event, group, error);
        if (letter !== undefined) await publisher.publish([letter]);
      },
    };
    const groupId = groupIdOf(client.prefix, group);
    const id = own ? `${groupId}/${randomUUID()}` : groupId;
    const offsets: Offsets = own?.offsets ?? brokerOffsets(client.admin, id);
    this.#consumer = new GroupConsumer(client, {
      groupId: id,
      topics: [...new Set(types.map((type) => topicOf(type, topics)))],
      ...{ exclusive, offsets, assigned, peers: own ? undefined : new Peers(client, id) },
      handle: (fetched) => this.#handle(fetched),
    });
  }

  /** A member of its group. One that asks for the latest events has a group of its own that commits no offsets. */
  static async create(parts: MemberParts, options: Subscribe, handler: Handler): Promise<Member> {
    if (!options.latest) return new Member(parts, options, handler);
    const { admin } = parts.client;
    const others = options.types.filter((type) => type !== AUDIT_TYPE && !LATEST_KEPT.includes(type));
    const start = await endsOf(admin, [...new Set(others.map((type) => topicOf(type, parts.topics)))]);
    const catchUp = await CatchUp.begin(admin, parts.topics.latest);
    return new Member(parts, options, handler, { offsets: new LocalOffsets(start), catchUp });
  }

  /**
   * Resolves when the member has joined, and has handled the latest events if it subscribed to them.
   * @throws TagalongError BUS_UNREACHABLE
   */
  async start(): Promise<void> {
    try {
      await this.#consumer.start();
    } catch (error) {
      throw unreachable(BUS_ROLE, `group ${this.#group} could not be joined`, error);
    }
    await this.#catchUp?.done;
  }

  /** Resolves when the batch in hand is done. */
  async stop(): Promise<void> {
    await this.#consumer.stop();
    this.#catchUp?.abandon();
  }

  /** Its offsets on all partitions if it has a group of its own; else none, because the brokers store them. */
  localOffsets(): LocalOffset[] {
    const { topics, partitions } = this.#parts;
    const [own, group] = [this.#own, this.#group];
    if (own === undefined) return [];
    const mine = [...new Set([...this.#types].map((type) => topicOf(type, topics)))];
    return mine.flatMap((topic) =>
      Array.from({ length: partitions }, (_, partition) => ({
        group,
        topic,
        partition,
        offset: own.at(topic, partition),
      })),
    );
  }

  async #handle(fetched: Fetched): Promise<void> {
    const { topic, partition, messages, end } = fetched;
    const { events, undecodable } = readRecords(messages, {
      partition,
      partitions: this.#parts.partitions,
      types: this.#types,
    });
    if (undecodable.length > 0) {
      const letters = undecodable.map((one) => undecodableDeadLetter(topic, partition, one));
      await this.#parts.publisher.publish(letters);
      this.#parts.client.counters.undecodable += undecodable.length;
      this.#parts.client.log?.warn(
        { topic, partition, records: undecodable.length },
        'no events; they are dead letters now',
      );
    }
    if (!this.#catchUp?.isUnderWay(topic, partition)) return workOff(events, fetched, this.#work);

    const latest = this.#catchUp.take(partition, events, end);
    if (latest === undefined) return fetched.save({ offset: end });
    let finished = false;
    await workOff(
      latest,
      {
        ...fetched,
        // It commits only when all is handled: a restart in the middle would hand out events that are not the latest.
        save: async (offset) => {
          finished = offset.offset >= end;
          if (finished) await fetched.save(offset);
        },
      },
      this.#work,
    );
    if (finished) this.#catchUp.finish(partition);
  }
}
