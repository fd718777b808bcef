import type { Action } from './actions.ts';
import type { Chosen } from './pointing.ts';
import type { World } from './world.ts';

/** The content of the panel, and its actions. */
export interface ChosenOptions {
  readonly world: World;
  readonly chosen: Chosen;
  /** The decision whose explanation the panel shows; undefined shows the present explanation. */
  readonly decision: string | undefined;
  /** False: the panel has no buttons that change something. */
  readonly mayAct: boolean;
  /** False: the page shows the past, so the panel cannot show the present explanation. */
  readonly live: boolean;
  readonly act: (action: Action) => void;
  readonly choose: (chosen: Chosen, decision?: string) => void;
}
