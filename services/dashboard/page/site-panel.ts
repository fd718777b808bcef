/** The panel of the chosen site: its load, its VMs, and the button that drains it. */
import { counted } from '#shared/format.ts';
import { drain } from './actions.ts';
import type { ChosenOptions } from './chosen-options.ts';
import { el, fill, keyed, setText } from './dom.ts';

/** The most VMs that the panel lists. */
const MOST_VMS = 200;

/** Shows a site in `section`, or updates the site that it shows. Buttons stay the same elements. */
export function showSite(
  section: HTMLElement,
  name: string,
  close: () => HTMLElement,
  { world, mayAct, live, act, choose }: ChosenOptions,
): void {
  if (section.dataset.site !== name) {
    section.dataset.site = name;
    const button = el('button', { type: 'button', class: 'drain', 'data-key': 'drain', 'data-acts': true });
    const load = el('p', { class: 'facts load' });
    fill(section, close(), el('h2', { title: name }, name), load, button, el('ul', { class: 'vms' }));
    section.append(el('p', { class: 'facts more' }));
  }
  const part = <E extends HTMLElement>(css: string) => section.querySelector<E>(css)!;
  const site = world.sites.get(name);
  const vms = [...world.vmsAt(name)].sort();
  const load = site && `${site.vms} of ${counted(site.slots, 'slot')} taken${site.draining ? '; draining' : ''}`;
  setText(part('.load'), load ?? 'There is no site of this name.');
  const button = part<HTMLButtonElement>('.drain');
  button.hidden = site === undefined || !mayAct || !live;
  button.onclick = () => act(() => drain(world, name));
  setText(button, site?.draining ? 'End draining' : 'Drain …');
  keyed(part('.vms'), vms.slice(0, MOST_VMS), {
    key: (vm) => vm,
    build: (vm) =>
      el('li', {}, el('button', { type: 'button', class: 'link name', title: vm, onclick: () => choose({ vm }) }, vm)),
    update() {},
  });
  setText(part('.more'), vms.length > MOST_VMS ? `and ${vms.length - MOST_VMS} more` : '');
}
