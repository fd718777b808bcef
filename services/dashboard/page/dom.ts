/** Making and finding elements. Text is always text: nothing that comes over the network is read as HTML. */

type Attributes = Readonly<Record<string, string | boolean | EventListener>>;

/** An element with attributes (`onclick` and the like are listeners) and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(key.slice(2), value);
    else if (typeof value === 'string') element.setAttribute(key, value);
    else element.toggleAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** The element of an id that the page has. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** Puts children in the place of what was there; the focus stays where it was, where that is still there. */
export function fill(parent: HTMLElement, ...children: readonly (Node | string)[]): void {
  const focused = parent.contains(document.activeElement)
    ? (document.activeElement as HTMLElement).dataset.key
    : undefined;
  parent.replaceChildren(...children);
  if (focused !== undefined) parent.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** How the entries of a list become elements that stay the same while it is clicked on them. */
export interface Keyed<T> {
  key(entry: T): string;
  build(entry: T): HTMLElement;
  /** Called for new ones too. */
  update(element: HTMLElement, entry: T): void;
}

/** Makes the children of a list those of some entries, in their order; with `none` where there are no entries. */
export function keyed<T>(list: HTMLElement, entries: readonly T[], how: Keyed<T>, none?: () => HTMLElement): void {
  const known = new Map([...list.children].map((child) => [(child as HTMLElement).dataset.entry ?? '', child]));
  const wanted = entries.map((entry) => {
    const key = how.key(entry);
    const element = (known.get(key) as HTMLElement | undefined) ?? how.build(entry);
    element.dataset.entry = key;
    how.update(element, entry);
    return element;
  });
  if (wanted.length === 0 && none) wanted.push(none());
  for (const child of [...list.children]) if (!wanted.includes(child as HTMLElement)) child.remove();
  for (const [i, element] of wanted.entries()) {
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  }
}

/** Sets a text only where it is another one. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
