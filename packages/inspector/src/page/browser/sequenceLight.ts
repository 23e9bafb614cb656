/** The picture of a sequence, which can show any moment of a run. */
export interface SequenceLight {
  /** Marks the rows of a step, and dims those after it; gives back the step's row, or the last one before it. */
  show(first: number, last: number): Element | undefined;
  /** Shows the whole run. */
  showAll(): void;
  /** Dims the rows that do not match, by the sequence numbers of their entries. */
  filter(matches: (sequence: number) => boolean): void;
  /** The entry that a part of the picture belongs to. */
  entryOf(part: Element): number | undefined;
}

/** Runs in the browser: lights the rows of a sequence. */
export function sequenceLight(view: HTMLElement): SequenceLight {
  const rows = [...view.querySelectorAll<SVGElement>('[data-entry]')].map((part) => ({
    part,
    sequence: Number(part.dataset['entry']),
  }));
  const show = (first: number, last: number): Element | undefined => {
    let found: Element | undefined;
    for (const { part, sequence } of rows) {
      const isNow = sequence >= first && sequence <= last;
      part.classList.toggle('now', isNow);
      part.classList.toggle('later', sequence > last);
      if (sequence <= last) found = part;
    }
    return rows.find(({ part }) => part.classList.contains('now'))?.part ?? found;
  };
  const showAll = (): void => {
    for (const { part } of rows) part.classList.remove('now', 'later');
  };
  const filter = (matches: (sequence: number) => boolean): void => {
    for (const { part, sequence } of rows) part.classList.toggle('out', !matches(sequence));
  };
  const entryOf = (part: Element): number | undefined => {
    const row = part.closest<SVGElement>('[data-entry]');
    return row === null ? undefined : Number(row.dataset['entry']);
  };
  // What lanes are called stays in sight.
  const svg = view.querySelector('svg');
  const heads = view.querySelector('.heads');
  view.addEventListener('scroll', () => {
    const scale = (svg?.clientWidth ?? 0) / (svg?.viewBox.baseVal.width || 1) || 1;
    heads?.setAttribute('transform', `translate(0 ${view.scrollTop / scale})`);
  });
  return { show, showAll, filter, entryOf };
}
