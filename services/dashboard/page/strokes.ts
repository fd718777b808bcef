/** Lines, rings, arrows and names on a canvas. */
import type { Placed } from './labels.ts';
import type { Spot } from './layout.ts';

const FONT = '12px system-ui, sans-serif';
/** The most measured widths that are kept. */
const MOST_WIDTHS = 5_000;
const widths = new Map<string, number>();

/** The width of a drawn name, in pixels. */
export function widthOf(g: CanvasRenderingContext2D, text: string): number {
  const known = widths.get(text);
  if (known !== undefined) return known;
  if (widths.size >= MOST_WIDTHS) widths.clear();
  g.font = FONT;
  const { width } = g.measureText(text);
  widths.set(text, width);
  return width;
}

/** Draws a name with a rim, which makes it readable above lines. */
export function write(g: CanvasRenderingContext2D, { text, x, y }: Placed, colour: string, rim: string): void {
  g.font = FONT;
  g.textAlign = 'left';
  g.lineJoin = 'round';
  g.lineWidth = 3;
  g.strokeStyle = rim;
  g.strokeText(text, x, y);
  g.fillStyle = colour;
  g.fillText(text, x, y);
}

/** Draws an arrow. @param angle its direction, in radians */
export function arrow(g: CanvasRenderingContext2D, { x, y }: Spot, angle: number, colour: string, edge: string): void {
  g.save();
  g.translate(x, y);
  g.rotate(angle);
  g.beginPath();
  g.moveTo(8, 0);
  g.lineTo(-6, 6);
  g.lineTo(-3, 0);
  g.lineTo(-6, -6);
  g.closePath();
  g.fillStyle = colour;
  g.fill();
  g.lineWidth = 1;
  g.strokeStyle = edge;
  g.stroke();
  g.restore();
}

/** Draws a circle line. */
export function ring(g: CanvasRenderingContext2D, { x, y }: Spot, radius: number, colour: string, width: number): void {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.strokeStyle = colour;
  g.lineWidth = width;
  g.stroke();
}

/** Draws a straight line with the present style. */
export function line(g: CanvasRenderingContext2D, a: Spot, b: Spot): void {
  g.beginPath();
  g.moveTo(a.x, a.y);
  g.lineTo(b.x, b.y);
  g.stroke();
}
