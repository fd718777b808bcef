/** The table of the settings of a comparison. Units are part of the names. */
import type { VmSpec } from '#shared/events/index.ts';
import type { Comparison } from '../simulate.ts';
import { type Html, html } from './html.ts';
import { dataTable } from './parts.ts';

/** @param vm the VM of each user of a trace */
export function settingsTable(settings: Comparison['settings'], vm: VmSpec | undefined): Html {
  // `policy.name` is that of the configuration, and not of a policy that was compared.
  const { name: _, ...policy } = settings.policy;
  const rows = leaves({ ...settings, policy, ...(vm && { vm }) });
  return html`<details class="settings"><summary>Settings</summary>${dataTable(
    'As in the configuration; vm is what each user got',
    [{ head: 'setting' }, { head: 'value', numeric: true }],
    rows,
  )}</details>`;
}

/** All values of nested objects, each with its path. */
function leaves(value: object, path = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const name = path === '' ? key : `${path}.${key}`;
    if (typeof inner === 'object' && inner !== null) return leaves(inner, name);
    return [
      [name, typeof inner === 'number' ? inner.toLocaleString('en', { maximumFractionDigits: 6 }) : String(inner)],
    ];
  });
}
