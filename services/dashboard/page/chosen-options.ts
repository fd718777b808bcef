import type { Action } from './actions.ts';
import type { Chosen } from './pointing.ts';
import type { World } from './world.ts';

/** What the panel shows, and its actions. */
export interface ChosenOptions {
  readonly world: World;
  readonly chosen: Chosen;
  /** The decision whose explanation is shown; else that of now. */
  readonly decision: string | undefined;
  /** False: buttons that change something are not there. */
  readonly mayAct: boolean;
  /** False: the past is shown, which cannot be explained any more. */
  readonly live: boolean;
  readonly act: (action: Action) => void;
  readonly choose: (chosen: Chosen, decision?: string) => void;
}
