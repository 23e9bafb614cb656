import type { flash } from './flash.ts';
import type { themeSwitch } from './themeSwitch.ts';
import type { zoomPane } from './zoomPane.ts';

/** What the page of coverage is made of. */
export interface CoverageParts extends Readonly<Record<string, (...input: never[]) => unknown>> {
  readonly flash: typeof flash;
  readonly themeSwitch: typeof themeSwitch;
  readonly zoomPane: typeof zoomPane;
}

/** Runs in the browser: finds machines, and shows in their charts what was never reached. */
export function coverageView(_data: null, parts: CoverageParts): void {
  document.documentElement.classList.add('scripted');
  parts.themeSwitch(document.querySelector<HTMLElement>('#theme')!);
  const filter = document.querySelector<HTMLInputElement>('#filter')!;
  const found = document.querySelector('#found')!;
  const onlyMissed = document.querySelector<HTMLInputElement>('#missed')!;
  const rows = [...document.querySelectorAll<HTMLElement>('tbody tr')];
  const sections = [...document.querySelectorAll<HTMLElement>('.machine')];

  const update = (): void => {
    const text = filter.value.trim().toLowerCase();
    let count = 0;
    rows.forEach((row, index) => {
      const section = sections[index];
      const isWhole = row.classList.contains('whole');
      const words = `${row.textContent}\n${section?.textContent ?? ''}`.toLowerCase();
      const isFound = words.includes(text) && !(onlyMissed.checked && isWhole);
      row.hidden = !isFound;
      if (section !== undefined) section.hidden = !isFound;
      count += Number(isFound);
    });
    found.textContent = count === rows.length ? '' : `${count} of ${rows.length} machines`;
  };
  filter.addEventListener('input', update);
  onlyMissed.addEventListener('change', update);

  for (const section of sections) {
    const view = section.querySelector<HTMLElement>('.view')!;
    const pane = parts.zoomPane(view, false);
    const zooms: Readonly<Record<string, () => void>> = {
      farther: () => pane.zoom(0.8),
      fit: () => pane.fit(),
      nearer: () => pane.zoom(1.25),
    };
    for (const [look, act] of Object.entries(zooms)) {
      section.querySelector(`.${look}`)?.addEventListener('click', act);
    }
    for (const item of section.querySelectorAll<HTMLElement>('li[data-kind]')) {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener('click', () => {
        const { kind = '', key = '' } = item.dataset;
        const places = [...view.querySelectorAll(`[data-${kind}]`)].filter(
          (part) => part.getAttribute(`data-${kind}`) === key,
        );
        view.scrollIntoView({ block: 'nearest' });
        for (const part of places.slice(0, 1)) pane.reveal(part);
        parts.flash(places);
      });
    }
  }
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target === filter) return;
    event.preventDefault();
    filter.focus();
  });
}
