import type { PageData } from '../types.ts';

/** Runs in the browser: a box and chips that say which actors a reader wants to see. */
export function laneFilter(
  { actors }: PageData,
  apply: (isWanted: (actor: number) => boolean) => number,
): { readonly focus: () => void } {
  const box = document.querySelector<HTMLInputElement>('#filter')!;
  const found = document.querySelector('#found')!;
  const chips = [...document.querySelectorAll<HTMLButtonElement>('.chip')];
  const texts = actors.map(({ name, labels }) =>
    [name, ...Object.entries(labels ?? {}).flatMap(([label, value]) => [value, `${label}:${value}`])]
      .join('\n')
      .toLowerCase(),
  );
  const update = (): void => {
    const text = box.value.trim().toLowerCase();
    const chosen = new Map<string, string[]>();
    for (const chip of chips.filter((each) => each.getAttribute('aria-pressed') === 'true')) {
      const { label = '', value = '' } = chip.dataset;
      chosen.set(label, [...(chosen.get(label) ?? []), value]);
    }
    const wanted = actors.map(
      ({ labels }, index) =>
        texts[index]?.includes(text) === true &&
        [...chosen].every(([label, values]) => values.includes(labels?.[label] ?? '')),
    );
    const count = wanted.filter(Boolean).length;
    const steps = apply((actor) => wanted[actor] === true);
    const isOpen = text === '' && chosen.size === 0;
    found.textContent = isOpen ? '' : `${count} of ${actors.length} actors, ${steps} steps`;
  };
  box.addEventListener('input', update);
  box.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape') return;
    box.value = '';
    update();
  });
  for (const chip of chips) {
    chip.addEventListener('click', () => {
      chip.setAttribute('aria-pressed', String(chip.getAttribute('aria-pressed') !== 'true'));
      update();
    });
  }
  return { focus: () => box.focus() };
}
