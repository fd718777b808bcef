/** What is drawn of one instant. */
import type { Dots, Stamp } from './dots.ts';
import type { View } from './layout.ts';
import type { Palette } from './palette.ts';
import type { World } from './world.ts';

/** What is to be drawn, and how. */
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
  /** True: nothing glides or flows. */
  readonly still: boolean;
  readonly dots: Dots;
  readonly stamps: Stamps;
}

/** What users and VMs look like. */
export interface Stamps {
  readonly user: Stamp;
  /** Where there are very many: smaller, so that they do not hide each other. */
  readonly oneOfMany: Stamp;
  readonly vm: Stamp;
}
