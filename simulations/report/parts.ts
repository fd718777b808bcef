/** Building blocks of a report's sections: tables, figures, tabs. */
import { type Html, html, NOTHING, raw } from './html.ts';

/** A column of a table. Numeric columns are aligned to the right. */
export interface Column {
  readonly head: string;
  readonly numeric?: boolean;
}

/** A table. It scrolls if the screen is too narrow. The first cell of a row is its header. */
export function dataTable(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly (string | Html)[])[],
): Html {
  const classOf = (i: number) => (columns[i]?.numeric ? raw(' class="n"') : NOTHING);
  const cell = (content: string | Html, i: number) =>
    i === 0 ? html`<th scope="row"${classOf(0)}>${content}</th>` : html`<td${classOf(i)}>${content}</td>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${columns.map(({ head }, i) => html`<th scope="col"${classOf(i)}>${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

/** A plot, with a table of its numbers beside it. */
export function figure(title: string, about: string, plot: Html, numbers: Html): Html {
  return html`<figure>
<figcaption><h3>${title}</h3><p>${about}</p></figcaption>
<div class="beside"><div class="plot">${plot}</div>${numbers}</div>
</figure>`;
}

/** Panes of which the reader selects one by name. Radio buttons and CSS do that without a script; arrow keys work. */
export function tabs(
  group: string,
  label: string,
  panes: readonly { readonly name: string; readonly body: Html }[],
): Html {
  if (panes.length === 1) return html`<div class="pane">${panes[0]!.body}</div>`;
  const choices = panes.map(
    ({ name }, i) =>
      html`<input type="radio" name="${group}" id="${group}-${i}"${raw(i === 0 ? ' checked' : '')}><label for="${group}-${i}">${name}</label>`,
  );
  const rules = panes.map((_, i) => `#${group}-${i}:checked~.panes>:nth-child(${i + 1}){display:block}`).join('');
  return html`<style>${raw(rules)}</style><div class="tabs" role="radiogroup" aria-label="${label}">${choices}<div class="panes">${panes.map(({ body }) => html`<div class="pane">${body}</div>`)}</div></div>`;
}
