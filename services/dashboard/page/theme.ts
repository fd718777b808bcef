/** The colours of the page: light, dark, or as in the system. The browser stores the choice. */

import { forgetPalette } from './palette.ts';

const KEY = 'tagalong-colours';
const THEMES = ['system', 'light', 'dark'] as const;
const WORDS = { system: 'as the system', light: 'light', dark: 'dark' };

/** Sets up the button. @param changed called when the colours have changed */
export function createTheme(button: HTMLElement, changed: () => void): void {
  let theme = THEMES.find((one) => one === localStorage.getItem(KEY)) ?? 'system';
  const repaint = () => {
    forgetPalette();
    changed();
  };
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    button.setAttribute('aria-label', `Colours: ${WORDS[theme]}`);
    button.title = `Colours: ${WORDS[theme]}`;
    repaint();
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    localStorage.setItem(KEY, theme);
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
  apply();
}
