/** The Grafana dashboard. `npm run generate` writes it to deploy/monitoring/grafana/tagalong.json. */
import { type Panel, ROWS } from './panels.ts';

/** The width of Grafana's grid. */
const WIDTH = 24;
const STAT = { w: 4, h: 4 };
const GRAPH = { w: 8, h: 8 };
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/** All queries to Prometheus. */
export function dashboardExpressions(): string[] {
  return ROWS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)));
}

/** The dashboard in the format of Grafana 10 and newer. */
export function dashboard(): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
      panels: [],
    });
    y++;
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      const { w, h } = panel.stat ? STAT : GRAPH;
      if (x + w > WIDTH) {
        x = 0;
        y += height;
      }
      height = h;
      panels.push({ id: panels.length + 1, gridPos: { x, y, w, h }, ...drawn(panel) });
      x += w;
    }
    y += height;
  }
  return {
    uid: 'tagalong',
    title: 'Tagalong',
    tags: ['tagalong'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    templating: { list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' }] },
    panels,
  };
}

function drawn({ title, description, unit, queries, stat }: Panel): object {
  const steps = [{ color: 'green', value: null }, ...(stat?.redFrom ? [{ color: 'red', value: stat.redFrom }] : [])];
  return {
    type: stat ? 'stat' : 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: { unit, ...(stat ? { thresholds: { mode: 'absolute', steps } } : { min: 0 }) },
      overrides: [],
    },
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      ...(legend && { legendFormat: legend }),
    })),
  };
}
