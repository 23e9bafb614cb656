import type { PageMachine, PageStep } from '../types.ts';

/** The chart of a machine, which can show any moment of a run. */
export interface ChartLight {
  /** Shows what was so up to a step, and where one actor is then; gives back what changed last. */
  show(position: number, actor: number | undefined): readonly Element[];
  /** Shows the whole run. */
  showAll(): void;
  /** The parts of the picture that stand for a state or a transition. */
  parts(kind: string, key: string): readonly Element[];
  /** The next step after a position in which a part was entered or taken, around the end if need be. */
  next(part: Element, position: number): number | undefined;
}

/** What a chart is lit by. */
export interface ChartSource {
  readonly machine: PageMachine;
  /** The steps of the whole run. */
  readonly steps: readonly PageStep[];
  /** Whether an actor is one of this machine. */
  readonly isOwn: (actor: number) => boolean;
}

/** Runs in the browser: lights the chart in a section. */
export function chartLight(section: Element, { machine, steps, isOwn }: ChartSource): ChartLight {
  const partsBy = (attribute: string): Map<string, Element[]> => {
    const found = new Map<string, Element[]>();
    for (const part of section.querySelectorAll(`[data-${attribute}]`)) {
      const key = part.getAttribute(`data-${attribute}`) ?? '';
      found.set(key, [...(found.get(key) ?? []), part]);
    }
    return found;
  };
  const states = partsBy('state');
  // What is written in a state that holds others stands apart, above the arrows.
  for (const [id, headings] of partsBy('heading')) states.set(id, [...(states.get(id) ?? []), ...headings]);
  const transitions = partsBy('transition');
  const all = [...states.values(), ...transitions.values()].flat();
  /** Arrows that several transitions share: what they look like follows from these. */
  const shared = [
    ...section.querySelectorAll('g:not([data-state],[data-heading],[data-transition])'),
  ].flatMap((arrow) => {
    const rows = [...arrow.children].filter((child) => child.hasAttribute('data-transition'));
    return rows.length === 0 ? [] : [{ arrow, rows }];
  });
  const looks = [...all, ...shared.map(({ arrow }) => arrow)].map((part) => ({
    part,
    look: part.getAttribute('class') ?? '',
  }));
  /** Texts with counts, as they are at the end of the run. */
  const texts = all.flatMap((part) => {
    const own = [...part.children].filter((child) =>
      part.hasAttribute('data-transition')
        ? / ×\d+/.test(child.textContent)
        : child.classList.contains('count'),
    );
    return own.map((text) => ({ part, text, end: text.textContent }));
  });

  interface Counts {
    /** How often a state was entered, or a transition taken. */
    readonly count: number;
    readonly refused: number;
  }
  const setUsed = (part: Element, count: number): void => {
    part.classList.toggle('used', count > 0);
    part.classList.toggle('unused', count === 0);
    part.classList.toggle('often', count > 1 && part.hasAttribute('data-transition'));
  };
  const setCounts = (countsOf: (part: Element) => Counts): void => {
    for (const part of all) setUsed(part, countsOf(part).count);
    for (const { part, text, end } of texts) {
      const { count, refused } = countsOf(part);
      const [total, no] = [count > 0 ? `×${count}` : '', refused > 0 ? ` (no ×${refused})` : ''];
      if (!part.hasAttribute('data-transition')) text.textContent = total;
      else {
        // The label of an arrow does not say that it was taken once.
        const isRow = part.closest('[data-state],[data-heading]') !== null;
        const taken = count > (isRow ? 0 : 1) ? ` ${total}` : '';
        text.textContent = end.replace(/ \(no ×\d+\)/, no).replace(/ ×\d+$/, taken);
      }
    }
  };

  const showAll = (): void => {
    for (const { part, look } of looks) part.setAttribute('class', look);
    for (const { text, end } of texts) text.textContent = end;
  };
  const show = (position: number, actor: number | undefined): readonly Element[] => {
    for (const part of all) part.classList.remove('now', 'hit');
    const visits = machine.states.map(() => 0);
    const taken = machine.transitions.map(() => 0);
    const refused = machine.transitions.map(() => 0);
    let active: readonly number[] = [];
    for (const step of steps.slice(0, position + 1)) {
      if (step.missing !== undefined) active = [];
      if (!isOwn(step.actor)) continue;
      for (const state of step.entered ?? []) visits[state] = (visits[state] ?? 0) + 1;
      for (const transition of step.taken ?? []) taken[transition] = (taken[transition] ?? 0) + 1;
      for (const transition of step.refused ?? []) refused[transition] = (refused[transition] ?? 0) + 1;
      if (step.actor === actor && step.states !== undefined) active = step.states;
    }
    const isStarted = visits.some((count) => count > 0);
    const counts = new Map<Element, Counts>();
    machine.states.forEach(([id, path], index) => {
      const count = path === '' ? Number(isStarted) : (visits[index] ?? 0);
      for (const part of states.get(id) ?? []) counts.set(part, { count, refused: 0 });
    });
    machine.transitions.forEach(([key], index) => {
      const own = { count: taken[index] ?? 0, refused: refused[index] ?? 0 };
      for (const part of transitions.get(key) ?? []) counts.set(part, own);
    });
    setCounts((part) => counts.get(part) ?? { count: 0, refused: 0 });
    for (const { arrow, rows } of shared)
      setUsed(arrow, rows.filter((row) => row.classList.contains('used')).length);
    const lit: Element[] = [];
    const light = (parts: readonly Element[] | undefined, look: string): void => {
      for (const part of parts ?? []) part.classList.add(look);
      lit.push(...(parts ?? []));
    };
    const last = steps[position];
    if (last?.actor === actor)
      for (const index of last?.taken ?? [])
        light(transitions.get(machine.transitions[index]?.[0] ?? ''), 'hit');
    for (const index of active) {
      const [id, path] = machine.states[index] ?? ['', ''];
      if (path !== '') light(states.get(id), 'now');
    }
    return lit;
  };
  const next = (part: Element, position: number): number | undefined => {
    const transition = part.getAttribute('data-transition');
    const state = part.getAttribute('data-state') ?? part.getAttribute('data-heading');
    const index =
      transition === null
        ? machine.states.findIndex(([id]) => id === state)
        : machine.transitions.findIndex(([key]) => key === transition);
    const found = steps.flatMap((step, at) => {
      const changed = transition === null ? step.entered : step.taken;
      return isOwn(step.actor) && changed?.includes(index) === true ? [at] : [];
    });
    return found.find((at) => at > position) ?? found[0];
  };
  const parts = (kind: string, key: string): readonly Element[] =>
    (kind === 'state' ? states : transitions).get(key) ?? [];
  return { show, showAll, parts, next };
}
