/**
 * Draws ten thousand dots and squares a frame. It copies them into an image pixel by pixel, which takes a fraction of the time of as many
 * drawing operations of a canvas.
 */
import type { View } from './layout.ts';

/** A small picture, as a list of its pixels that are not empty. */
export interface Stamp {
  readonly dx: Int16Array;
  readonly dy: Int16Array;
  /** The pixels in the format of the image. */
  readonly pixels: Uint32Array;
  /** The largest distance of a pixel from the middle. */
  readonly reach: number;
}

/** Half the size of the canvas on which a stamp is drawn, in CSS pixels. */
const HALF = 4;
/** The shift of a pixel's alpha byte: it is the last of four bytes, and the numbers are little-endian. */
const ALPHA = 24;

/** A layer of dots. */
export class Dots {
  readonly #g: CanvasRenderingContext2D;
  #image: ImageData;
  #pixels: Uint32Array;

  constructor(canvas: HTMLCanvasElement) {
    // `willReadFrequently` keeps the image in memory that the processor can write to.
    this.#g = canvas.getContext('2d', { willReadFrequently: true })!;
    this.#image = this.#g.createImageData(1, 1);
    this.#pixels = new Uint32Array(1);
  }

  /** Begins a frame of the canvas's size. */
  clear(): void {
    const { width, height } = this.#g.canvas;
    if (this.#image.width === width && this.#image.height === height) this.#pixels.fill(0);
    else {
      this.#image = this.#g.createImageData(Math.max(1, width), Math.max(1, height));
      this.#pixels = new Uint32Array(this.#image.data.buffer);
    }
  }

  /** Draws a stamp. @param x and `y`: its middle, in CSS pixels */
  stamp({ dx, dy, pixels, reach }: Stamp, x: number, y: number): void {
    const { width, height } = this.#image;
    const column = Math.round(x * devicePixelRatio);
    const row = Math.round(y * devicePixelRatio);
    if (column < reach || row < reach || column >= width - reach || row >= height - reach) return;
    const image = this.#pixels;
    for (let i = 0; i < pixels.length; i++) {
      const at = (row + dy[i]!) * width + column + dx[i]!;
      // The transparent edge of a stamp does not erase what is already drawn.
      if (pixels[i]! >>> ALPHA >= image[at]! >>> ALPHA) image[at] = pixels[i]!;
    }
  }

  /** Shows the frame. */
  flush(): void {
    this.#g.putImageData(this.#image, 0, 0);
  }
}

/** Makes a stamp. @param draw draws around the origin, within four CSS pixels */
export function stampOf(draw: (g: CanvasRenderingContext2D) => void): Stamp {
  const size = Math.ceil(2 * HALF * devicePixelRatio);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const g = canvas.getContext('2d', { willReadFrequently: true })!;
  g.scale(devicePixelRatio, devicePixelRatio);
  g.translate(HALF, HALF);
  draw(g);
  const all = new Uint32Array(g.getImageData(0, 0, size, size).data.buffer);
  const filled = [...all.keys()].filter((i) => all[i]! >>> ALPHA > 0);
  const middle = Math.floor(size / 2);
  return {
    dx: Int16Array.from(filled, (i) => (i % size) - middle),
    dy: Int16Array.from(filled, (i) => Math.floor(i / size) - middle),
    pixels: Uint32Array.from(filled, (i) => all[i]!),
    reach: middle + 1,
  };
}

/** Gives a canvas as many pixels as the screen. @returns true if the size has changed, which clears the canvas */
export function fitCanvas(canvas: HTMLCanvasElement, { width, height }: View): boolean {
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width === w && canvas.height === h) return false;
  Object.assign(canvas, { width: w, height: h });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  return true;
}
