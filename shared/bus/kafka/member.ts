/** One member of a group on the bus: its consumer, what it skips, and what it does with what it cannot read. */
import { randomUUID } from 'node:crypto';
import type { EventType } from '../../events/index.ts';
import { type Handler, LATEST_KEPT, type Subscribe } from '../bus.ts';
import { deadLetter } from '../dead-letter.ts';
import { type KafkaClient, unreachable } from './client.ts';
import { Company } from './company.ts';
import { type Fetched, GroupConsumer } from './consumer.ts';
import { groupIdOf, type OwnPlace } from './lag.ts';
import { CatchUp, endsOf } from './latest.ts';
import { committedPlaces, OwnPlaces, type Places } from './places.ts';
import type { Publisher } from './publisher.ts';
import { type Topics, topicOf } from './topics.ts';
import { garbageLetter, readRecords } from './wire.ts';
import { type Work, workOff } from './work-off.ts';

/** What a member needs of its bus. */
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
  readonly #own: OwnPlaces | undefined;
  readonly #catchUp: CatchUp | undefined;

  private constructor(
    parts: MemberParts,
    options: Subscribe,
    handler: Handler,
    own?: { readonly places: OwnPlaces; readonly catchUp: CatchUp },
  ) {
    const { client, topics, publisher } = parts;
    const { group, types, exclusive = false, assigned } = options;
    this.#parts = parts;
    this.#group = group;
    this.#types = new Set(types);
    this.#own = own?.places;
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
    const places: Places = own?.places ?? committedPlaces(client.admin, id);
    this.#consumer = new GroupConsumer(client, {
      groupId: id,
      topics: [...new Set(types.map((type) => topicOf(type, topics)))],
      ...{ exclusive, places, assigned, company: own ? undefined : new Company(client, id) },
      handle: (fetched) => this.#handle(fetched),
    });
  }

  /** A member of its group; where it asked for the latest, of a group that is its own and keeps no place. */
  static async create(parts: MemberParts, options: Subscribe, handler: Handler): Promise<Member> {
    if (!options.latest) return new Member(parts, options, handler);
    const { admin } = parts.client;
    const others = options.types.filter((type) => !LATEST_KEPT.includes(type));
    const start = await endsOf(admin, [...new Set(others.map((type) => topicOf(type, parts.topics)))]);
    const catchUp = await CatchUp.begin(admin, parts.topics.latest);
    return new Member(parts, options, handler, { places: new OwnPlaces(start), catchUp });
  }

  /** Resolves when the member takes part, and has handled the latest where it asked for them. */
  async start(): Promise<void> {
    try {
      await this.#consumer.start();
    } catch (error) {
      throw unreachable('BUS_UNREACHABLE', `group ${this.#group} could not be joined`, error);
    }
    await this.#catchUp?.done;
  }

  /** Resolves when the batch in hand is done. */
  async stop(): Promise<void> {
    await this.#consumer.stop();
    this.#catchUp?.abandon();
  }

  /** Where it stands, if only it knows. */
  ownPlaces(): OwnPlace[] {
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
    const { events, garbage } = readRecords(messages, {
      partition,
      partitions: this.#parts.partitions,
      types: this.#types,
    });
    if (garbage.length > 0) {
      const letters = garbage.map((one) => garbageLetter(topic, partition, one));
      await this.#parts.publisher.publish(letters);
      this.#parts.client.counters.undecodable += garbage.length;
      this.#parts.client.log?.warn(
        { topic, partition, records: garbage.length },
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
        // Until all is handled it stays where it is: begun again in the middle, it would hand out what is not the latest.
        save: async (place) => {
          finished = place.offset >= end;
          if (finished) await fetched.save(place);
        },
      },
      this.#work,
    );
    if (finished) this.#catchUp.finish(partition);
  }
}
