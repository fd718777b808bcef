/** Creates and finds elements. Text is inserted as text: nothing from the network is ever parsed as HTML. */

type Attributes = Readonly<Record<string, string | boolean | EventListener>>;

/** Creates an element with attributes and children. Attributes whose value is a function, such as `onclick`, become listeners. */
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

/** The element with this id, which the page must have. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** Replaces the children of an element. If the focused child has a successor with the same `data-key`, that one gets the focus. */
export function fill(parent: HTMLElement, ...children: readonly (Node | string)[]): void {
  const focused = parent.contains(document.activeElement)
    ? (document.activeElement as HTMLElement).dataset.key
    : undefined;
  parent.replaceChildren(...children);
  if (focused !== undefined) parent.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** The functions that turn the entries of a list into elements. An entry keeps its element, so that no click is lost during an update. */
export interface Keyed<T> {
  key(entry: T): string;
  build(entry: T): HTMLElement;
  /** Updates an element, also a new one. */
  update(element: HTMLElement, entry: T): void;
}

/** Shows these entries as the children of a list, in their order. Without entries it shows `none`. */
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

/** Sets the text of an element, if it differs. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
