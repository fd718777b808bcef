/** The cell of each user, slot by slot: all that the laboratory knows of mobility. */
import { loadFactors } from './costs.ts';

/** Stands for the cell of a user who is absent. */
export const ABSENT = -1;

/** Users in cells by slot. */
export interface CellTrace {
  readonly users: number;
  readonly slots: number;
  /** Cell of user u in slot t at `t * users + u`; {@link ABSENT} where the user is not there. */
  readonly cells: Int16Array;
  /** Users present, by slot. */
  readonly present: Int32Array;
  /** Load factor g of each slot. */
  readonly load: Float64Array;
  /** Sum of `present`. */
  readonly userSlots: number;
}

/** @param cells by slot, then by user; kept, not copied */
export function cellTrace(users: number, slots: number, cells: Int16Array): CellTrace {
  const present = new Int32Array(slots);
  let userSlots = 0;
  for (let slot = 0; slot < slots; slot++) {
    for (let user = 0; user < users; user++) if (cells[slot * users + user] !== ABSENT) present[slot]!++;
    userSlots += present[slot]!;
  }
  return { users, slots, cells, present, load: loadFactors(present), userSlots };
}
