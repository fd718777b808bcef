/** The VMs that are declared: their declaration, the end of it, and their sites. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import { MAX_USERS_PER_VM } from '#shared/events/bounds.ts';
import type { Affinity, VmSpec } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { listRecords } from '#shared/store/update.ts';
import type { KnownSites } from '../sites/known.ts';
import { handedKey, placeKey } from '../sites/place-records.ts';
import { refuseContradictions } from './affinity.ts';
import type { Attachments } from './attachments.ts';
import { type PublishFact, refuseUnfit } from './facts.ts';
import { publishThenStore } from './publish-then-store.ts';
import type { Quotas } from './quotas.ts';
import { createRelated, type Related, RelatedVms } from './related.ts';
import { DECLARED_VM_RECORD, unknownVm, vmKey } from './vm-record.ts';

/** The optional parts of a declaration of a VM. */
export interface DeclareOptions {
  /** The sites at which it may run, and those at which it runs better. @default all sites */
  readonly affinity?: Affinity | undefined;
  /** The level of the log line. @default info */
  readonly level?: 'info' | 'debug';
}

/** The parts of ingest that a declaration uses. */
export interface DeclarationParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly sites: KnownSites;
  readonly log: Log;
  readonly setAside: SetAside;
  readonly quotas: Quotas;
  readonly attachments: Attachments;
  readonly publishFact: PublishFact;
}

/** A record of which only one member is read. It may be of any version. */
type Only<K extends string> = { readonly [key in K]?: unknown } | null | undefined;

/** Declares and retires VMs. The methods are those of `Ingest`. */
export class Declarations {
  readonly #parts: DeclarationParts;
  readonly #related: Related;

  constructor(parts: DeclarationParts) {
    this.#parts = parts;
    this.#related = createRelated(parts.clock, () => this.#readRelated());
  }

  async isDeclared(vm: string): Promise<boolean> {
    return (await this.#parts.store.get(vmKey(vm))) !== undefined;
  }

  async declare(vm: string, home: string, spec: VmSpec, more: DeclareOptions = {}): Promise<void> {
    const { affinity, level = 'info' } = more;
    const { store, clock, sites, log, setAside, quotas, publishFact } = this.#parts;
    const data = () => ({ vm, atMs: clock.now(), home, spec, ...(affinity && { affinity }) });
    refuseUnfit('vm.declared.v1', data());
    const fault = await sites.faultOf(home);
    if (fault !== undefined) throw new TagalongError('SITE_UNKNOWN', `home: ${fault}`);
    if (affinity !== undefined) {
      await refuseContradictions({ store, sites }, { vm, home, affinity });
      await this.#related.refuse(vm, affinity);
    }
    const at = await this.#declaredHome(vm);
    if (at !== undefined && at !== home) await this.#refuseElsewhere(vm, home);
    if (!(await this.isDeclared(vm))) await quotas.oneMoreVm();
    const value = { home, spec, affinity: affinity ?? null };
    await publishThenStore(
      { store, setAside },
      DECLARED_VM_RECORD,
      vmKey(vm),
      (present) => (isDeepStrictEqual(present, value) ? undefined : { value }),
      async (revision) => {
        await publishFact({ type: 'vm.declared.v1', data: data() }, revision);
        log[level]({ vm, home }, 'VM declared');
        this.#related.changed(vm, value.affinity);
        // Revision 0: the record does not exist yet.
        if (revision === 0) quotas.changed({ vm: 1 });
      },
    );
  }

  retire(vm: string): Promise<void> {
    const { store, clock, log, setAside, quotas, attachments, publishFact } = this.#parts;
    return publishThenStore(
      { store, setAside },
      DECLARED_VM_RECORD,
      vmKey(vm),
      (present) => {
        if (present === undefined) throw unknownVm(vm);
        return { value: undefined };
      },
      async (revision) => {
        await publishFact({ type: 'vm.retired.v1', data: { vm, atMs: clock.now() } }, revision);
        // Before the record is deleted: if the process dies here, the client can repeat the request.
        await attachments.detachAll(vm);
        quotas.changed({ vm: -1 });
        this.#related.changed(vm, null);
        quotas.changed({ usersOf: vm, by: -MAX_USERS_PER_VM });
        log.info({ vm }, 'VM retired');
      },
    );
  }

  async siteOf(vm: string, user?: string): Promise<string> {
    const declared = await this.#declaredHome(vm);
    const mayKnow = user === undefined || (await this.#parts.attachments.load(user)).includes(vm);
    if (typeof declared !== 'string' || !mayKnow) throw unknownVm(vm);
    return (await this.#placeOf(vm)) ?? declared;
  }

  async #declaredHome(vm: string): Promise<unknown> {
    return (await this.#parts.store.get<Only<'home'>>(vmKey(vm)))?.value?.home;
  }

  /** The site in the migrator's record; undefined if it has none. */
  async #placeOf(vm: string): Promise<string | undefined> {
    const records = await Promise.all(
      [placeKey(vm), handedKey(vm)].map((key) => this.#parts.store.get<Only<'site'>>(key)),
    );
    return records.map((record) => record?.value?.site).find((site) => typeof site === 'string');
  }

  /** Checks a declared home against the site in the migrator's record: a declaration moves no VM. Without a record any home will do. */
  async #refuseElsewhere(vm: string, home: string): Promise<void> {
    const at = await this.#placeOf(vm);
    if (at === undefined || at === home) return;
    const next = `move it with "tagalong migrate ${vm} --to ${home}" (POST /v1/vms/${vm}/moves)`;
    throw new TagalongError(
      'HOME_FIXED',
      `home: ${vm} is at ${at}, and a declaration does not move it to ${home}; ${next}`,
    );
  }

  async #readRelated(): Promise<RelatedVms> {
    const { store, setAside } = this.#parts;
    const vms = new RelatedVms();
    for (const { key, value } of await listRecords(store, DECLARED_VM_RECORD, vmKey(''), setAside)) {
      vms.set(key.slice(vmKey('').length), value.affinity as Affinity | null);
    }
    return vms;
  }
}
