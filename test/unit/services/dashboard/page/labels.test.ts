import { expect, test } from 'vitest';
import { type Disk, type Placed, placeLabels, shortened, type Wish } from '#services/dashboard/page/labels.ts';

const VIEW = { width: 800, height: 600 };
const disk = (x: number, y: number, radius = 20): Disk => ({ x, y, radius });
const wish = (text: string, of: Disk, more: Partial<Wish> = {}): Wish => ({
  ...{ text, width: 7 * text.length, of, lines: 1, needed: false },
  ...more,
});
const place = (wishes: readonly Wish[], disks: readonly Disk[], taken: readonly Placed[] = []) =>
  placeLabels(wishes, { view: VIEW, disks, taken });
const meet = (a: Placed, b: Placed) => a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < 15;

test('no name covers another name, a disk or the edge of the map', () => {
  const disks = Array.from({ length: 200 }, (_, i) =>
    disk((i % 20) * 40 + ((i * 7) % 13), Math.floor(i / 20) * 60 + 10, 11),
  );
  const placed = place(
    disks.map((of, i) => wish(`site-${i}`, of)),
    disks,
  );
  expect(placed.length).toBeGreaterThan(40);
  const faults: string[] = [];
  for (const [i, a] of placed.entries()) {
    for (const b of placed.slice(i + 1)) if (meet(a, b)) faults.push(`${a.text} meets ${b.text}`);
    for (const { x, y, radius } of disks) {
      const [nearX, nearY] = [Math.max(a.x, Math.min(x, a.x + a.width)), Math.max(a.y - 11, Math.min(y, a.y + 4))];
      if (Math.hypot(nearX - x, nearY - y) < radius) faults.push(`${a.text} covers a disk`);
    }
    if (a.x < 0 || a.x + a.width > VIEW.width || a.y < 0 || a.y > VIEW.height) faults.push(`${a.text} is cut`);
  }
  expect(faults).toEqual([]);
});

test('earlier names choose first; a name without room is left out, unless it is needed', () => {
  const [only, hedge] = [
    disk(400, 300),
    [disk(400, 340, 18), disk(400, 260, 18), disk(450, 300, 25), disk(350, 300, 25)],
  ];
  const wide = 'a name that is too wide for any gap';
  expect(place([wish(wide, only)], [only, ...hedge])).toEqual([]);
  expect(place([wish(wide, only, { needed: true })], [only, ...hedge])).toHaveLength(1);
  const [first, second] = place([wish('one', only), wish('two', only)], [only]);
  expect([first!.text, second!.text]).toEqual(['one', 'two']);
  expect(meet(first!, second!)).toBe(false);
});

test('names of two moves that begin at one site stand apart', () => {
  const arrows = [disk(400, 300, 8), disk(403, 302, 8)];
  const site = disk(400, 300, 30);
  const names = arrows.map((of, i) => wish(`vm-${i}  4.34 GB`, of, { lines: 5 }));
  const placed = place(names, [site, ...arrows]);
  expect(placed).toHaveLength(2);
  expect(meet(placed[0]!, placed[1]!)).toBe(false);
});

test('a long name is cut', () => {
  expect(shortened('boston')).toBe('boston');
  expect(shortened('x'.repeat(64))).toBe(`${'x'.repeat(23)}…`);
});
