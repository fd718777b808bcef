/** Traces of the laboratory: the cell of each user in each slot. */
import { loadFactors } from './costs.ts';

/** The cell of a user who is absent. */
export const ABSENT = -1;

/** Users in cells by slot. */
export interface CellTrace {
  readonly users: number;
  readonly slots: number;
  /** The cell of user u in slot t is at `t * users + u`; {@link ABSENT} if the user is absent. */
  readonly cells: Int16Array;
  /** By slot: the number of users who are present. */
  readonly present: Int32Array;
  /** By slot: the load factor g. */
  readonly load: Float64Array;
  /** The sum of `present`. */
  readonly userSlots: number;
}

/** @param cells by slot, then by user. The trace uses the array itself, not a copy. */
export function cellTrace(users: number, slots: number, cells: Int16Array): CellTrace {
  const present = new Int32Array(slots);
  let userSlots = 0;
  for (let slot = 0; slot < slots; slot++) {
    for (let user = 0; user < users; user++) if (cells[slot * users + user] !== ABSENT) present[slot]!++;
    userSlots += present[slot]!;
  }
  return { users, slots, cells, present, load: loadFactors(present), userSlots };
}
