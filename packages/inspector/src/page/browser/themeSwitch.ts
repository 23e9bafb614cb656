/** Runs in the browser: a button that goes from the reader's own colours to light ones and dark ones. Paper is light. */
export function themeSwitch(button: HTMLElement): void {
  const root = document.documentElement;
  const names = ['system', 'light', 'dark'];
  let at = 0;
  const show = (): void => {
    const name = names[at] ?? '';
    if (at === 0) delete root.dataset['theme'];
    else root.dataset['theme'] = name;
    button.textContent = `Theme: ${name}`;
  };
  button.addEventListener('click', () => {
    at = (at + 1) % names.length;
    show();
  });
  addEventListener('beforeprint', () => (root.dataset['theme'] = 'light'));
  addEventListener('afterprint', show);
  show();
}
