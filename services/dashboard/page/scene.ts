/** The input of one frame. */
import type { Dots, Stamp } from './dots.ts';
import type { View } from './layout.ts';
import type { Palette } from './palette.ts';
import type { World } from './world.ts';

/** The content of a drawing, and its options. */
export interface Scene {
  readonly world: World;
  readonly view: View;
  readonly palette: Palette;
  /** The chosen VM. */
  readonly vm: string | undefined;
  /** The chosen site. */
  readonly site: string | undefined;
  /** The clock of the page. */
  readonly nowMs: number;
  /** True: nothing is animated. */
  readonly still: boolean;
  readonly dots: Dots;
  readonly stamps: Stamps;
}

/** The pictures of users and VMs. */
export interface Stamps {
  readonly user: Stamp;
  /** A smaller dot, for when there are so many users that they would hide each other. */
  readonly oneOfMany: Stamp;
  readonly vm: Stamp;
}
