/** Attaches users to VMs and detaches them. */
import type { Clock } from '#shared/clock/clock.ts';
import type { Attachments } from './attachments.ts';
import { type PublishFact, refuseUnfit } from './facts.ts';
import type { FormerPseudonyms } from './pseudonym.ts';
import type { Quotas } from './quotas.ts';
import { unknownVm } from './vm-record.ts';

/** The parts of ingest that sessions use. */
export interface SessionParts {
  readonly clock: Clock;
  readonly quotas: Quotas;
  readonly attachments: Attachments;
  readonly publishFact: PublishFact;
  readonly pseudonymOf: (user: string) => string;
  readonly former: FormerPseudonyms;
  readonly isDeclared: (vm: string) => Promise<boolean>;
}

/** The sessions. The methods are those of `Ingest`; `id` is the operator's id of the user. */
export class Sessions {
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  async attach(vm: string, id: string, weight: number): Promise<void> {
    const { clock, quotas, attachments, publishFact, pseudonymOf, isDeclared } = this.#parts;
    const user = pseudonymOf(id);
    const data = () => ({ vm, user, atMs: clock.now(), weight });
    refuseUnfit('session.attached.v1', data());
    if (!(await isDeclared(vm))) throw unknownVm(vm);
    const vms = await attachments.load(user);
    const isNew = !vms.includes(vm);
    if (isNew) {
      quotas.oneMoreSession(vms.length);
      await quotas.oneMoreUser(vm);
    }
    await attachments.attach(user, vm, weight, (revision) =>
      publishFact({ type: 'session.attached.v1', data: data() }, revision),
    );
    if (isNew) quotas.changed({ usersOf: vm, by: 1 });
  }

  async detach(vm: string, id: string): Promise<void> {
    const { clock, attachments, pseudonymOf, former } = this.#parts;
    refuseUnfit('session.detached.v1', { vm, user: pseudonymOf(id), atMs: clock.now() });
    for (const user of [pseudonymOf(id), ...former.ofUser(id)]) {
      await attachments.detach(user, vm, (revision) => this.#publishDetached(user, vm, revision));
    }
  }

  /** @param user a name of the bus */
  erase(user: string): Promise<number> {
    return this.#parts.attachments.erase(user, (vm, revision) => this.#publishDetached(user, vm, revision));
  }

  async #publishDetached(user: string, vm: string, revision: number): Promise<void> {
    const { clock, quotas, publishFact } = this.#parts;
    await publishFact({ type: 'session.detached.v1', data: { vm, user, atMs: clock.now() } }, revision);
    quotas.changed({ usersOf: vm, by: -1 });
  }
}
