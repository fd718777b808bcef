/** The table of all orders of an agent: by name, the schema of the body and the function that executes the order. */
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { TagalongError } from '#shared/errors.ts';
import { VmDeclared } from '#shared/events/types.ts';
import { type DeepReadonly, ORDERS, type OrderAnswer, type OrderName } from '#shared/hypervisor/qemu/protocol.ts';
import { foreignText } from '#shared/text.ts';
import type { SiteVms } from './site-vms.ts';

/** Fields that the answer to an order has beside the state of the VM. */
export type OrderResult = Pick<OrderAnswer, 'landing' | 'port'>;

/** Executes an order whose body has been validated. Throws the error that refuses it. */
export type CheckedOrder = (vms: SiteVms, vm: string) => Promise<OrderResult>;

type Check = (name: string, body: unknown) => CheckedOrder;
type CarryOut<S extends TSchema, R> = (vms: SiteVms, vm: string, body: DeepReadonly<Static<S>>) => Promise<R>;

/** An order with a result: its schema and its function, whose body has the type of the schema. */
function answered<S extends TSchema>(schema: S, carryOut: CarryOut<S, OrderResult>): Check {
  const check = Compile(schema);
  return (name, body) => {
    if (!check.Check(body)) {
      const [first] = check.Errors(body);
      throw new TagalongError('EVENT_INVALID', `${name}${first?.instancePath ?? ''}: ${first?.message ?? 'is wrong'}`);
    }
    return (vms, vm) => carryOut(vms, vm, body as DeepReadonly<Static<S>>);
  };
}

/** An order without a result. */
function order<S extends TSchema>(schema: S, carryOut: CarryOut<S, void>): Check {
  return answered(schema, async (vms, vm, body) => {
    await carryOut(vms, vm, body);
    return {};
  });
}

const TABLE: Readonly<Record<OrderName, Check>> = {
  start: order(ORDERS.start, (vms, vm, body) => vms.start(vm, body)),
  receive: answered(ORDERS.receive, async (vms, vm, body) => ({ landing: await vms.receive(vm, body) })),
  leave: order(ORDERS.leave, (vms, vm, body) => vms.get(vm).source.leave(body)),
  announce: order(ORDERS.announce, (vms, vm, body) => vms.get(vm).announce(body)),
  mirror: order(ORDERS.mirror, (vms, vm, body) => vms.get(vm).source.mirror(body)),
  copy: order(ORDERS.copy, (vms, vm, body) => vms.get(vm).source.copy(body)),
  expect: order(ORDERS.expect, (vms, vm, body) => vms.get(vm).destination.expect(body)),
  stop: order(ORDERS.stop, (vms, vm, body) => vms.get(vm).source.stop(body)),
  closeDisk: order(ORDERS.closeDisk, (vms, vm, body) => vms.get(vm).destination.closeDisk(body)),
  handOver: order(ORDERS.handOver, (vms, vm, body) => vms.get(vm).source.handOver(body)),
  resume: order(ORDERS.resume, (vms, vm, body) => vms.get(vm).destination.resume(body)),
  recover: answered(ORDERS.recover, async (vms, vm, body) => ({ port: await vms.get(vm).destination.recover(body) })),
  reconnect: order(ORDERS.reconnect, (vms, vm, body) => vms.get(vm).source.reconnect(body)),
  end: order(ORDERS.end, (vms, vm, body) => vms.get(vm).destination.end(body)),
  settle: order(ORDERS.settle, (vms, vm, body) => vms.get(vm).destination.settle(body)),
  release: order(ORDERS.release, (vms, vm, { migration }) => vms.giveUp(vm, migration, 'handed-over')),
  discard: order(ORDERS.discard, (vms, vm, { migration }) => vms.giveUp(vm, migration, 'incoming')),
  abort: order(ORDERS.abort, (vms, vm, body) => vms.get(vm).abort(body)),
  remove: order(ORDERS.remove, (vms, vm) => vms.remove(vm)),
};

const vmName = Compile(VmDeclared.properties.vm);

/** Refuses a name that no VM can have: it becomes a part of a command line. @throws TagalongError EVENT_INVALID */
export function checkVmName(vm: string): void {
  if (vmName.Check(vm)) return;
  throw new TagalongError(
    'EVENT_INVALID',
    `"${foreignText(vm, 64)}" cannot be the name of a VM; give that of a declared one`,
  );
}

/** Validates an order before its execution. @throws TagalongError EVENT_INVALID: unknown order, or invalid body */
export function checkOrder(name: string, body: unknown): CheckedOrder {
  if (Object.hasOwn(TABLE, name)) return TABLE[name as OrderName](name, body);
  throw new TagalongError('EVENT_INVALID', `there is no order "${name}"; send one of ${Object.keys(TABLE).join(', ')}`);
}
