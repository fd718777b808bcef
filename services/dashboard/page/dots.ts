/**
 * Ten thousand dots and squares a frame: copied into an image pixel by pixel, which takes a fraction of what as many drawing
 * operations of a canvas take.
 */
import type { View } from './layout.ts';

/** A small picture as the pixels that are not empty. */
export interface Stamp {
  readonly dx: Int16Array;
  readonly dy: Int16Array;
  /** As they lie in the image. */
  readonly pixels: Uint32Array;
  /** No pixel is further away from the middle. */
  readonly reach: number;
}

/** Half the size of the canvas on which a stamp is drawn, in the pixels of the style sheet. */
const HALF = 4;
/** Pixels are four bytes of which the last one is how opaque it is; numbers here are little-endian. */
const ALPHA = 24;

/** A layer of dots. */
export class Dots {
  readonly #g: CanvasRenderingContext2D;
  #image: ImageData;
  #pixels: Uint32Array;

  constructor(canvas: HTMLCanvasElement) {
    // Kept where the processor can write to it.
    this.#g = canvas.getContext('2d', { willReadFrequently: true })!;
    this.#image = this.#g.createImageData(1, 1);
    this.#pixels = new Uint32Array(1);
  }

  /** Begins a frame, with as many pixels as the canvas has. */
  clear(): void {
    const { width, height } = this.#g.canvas;
    if (this.#image.width === width && this.#image.height === height) this.#pixels.fill(0);
    else {
      this.#image = this.#g.createImageData(Math.max(1, width), Math.max(1, height));
      this.#pixels = new Uint32Array(this.#image.data.buffer);
    }
  }

  /** @param x and `y`: of the middle, in the pixels of the style sheet */
  stamp({ dx, dy, pixels, reach }: Stamp, x: number, y: number): void {
    const { width, height } = this.#image;
    const column = Math.round(x * devicePixelRatio);
    const row = Math.round(y * devicePixelRatio);
    if (column < reach || row < reach || column >= width - reach || row >= height - reach) return;
    const image = this.#pixels;
    for (let i = 0; i < pixels.length; i++) {
      const at = (row + dy[i]!) * width + column + dx[i]!;
      // Rims do not cut into what is there.
      if (pixels[i]! >>> ALPHA >= image[at]! >>> ALPHA) image[at] = pixels[i]!;
    }
  }

  /** Shows the frame. */
  flush(): void {
    this.#g.putImageData(this.#image, 0, 0);
  }
}

/** Makes a stamp of what is drawn around the middle, within four pixels. */
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

/** As many pixels as the screen has; set again only when that changes, because it clears the canvas. */
export function fitCanvas(canvas: HTMLCanvasElement, { width, height }: View): boolean {
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width === w && canvas.height === h) return false;
  Object.assign(canvas, { width: w, height: h });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  return true;
}
