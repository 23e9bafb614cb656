import type { PageData, PageStep } from '../types.ts';
import type { chartLight } from './chartLight.ts';
import type { flash } from './flash.ts';
import type { laneFilter } from './laneFilter.ts';
import type { sequenceLight } from './sequenceLight.ts';
import type { stepText } from './stepText.ts';
import type { themeSwitch } from './themeSwitch.ts';
import type { zoomPane } from './zoomPane.ts';

/** What the page of a run is made of. */
export interface RunParts extends Readonly<Record<string, (...input: never[]) => unknown>> {
  readonly chartLight: typeof chartLight;
  readonly flash: typeof flash;
  readonly laneFilter: typeof laneFilter;
  readonly sequenceLight: typeof sequenceLight;
  readonly stepText: typeof stepText;
  readonly themeSwitch: typeof themeSwitch;
  readonly zoomPane: typeof zoomPane;
}

/** Runs in the browser: steps through a run. */
export function runPlayer(data: PageData, parts: RunParts): void {
  const byId = (id: string): HTMLElement => document.querySelector<HTMLElement>(`#${id}`)!;
  document.documentElement.classList.add('scripted');
  parts.themeSwitch(byId('theme'));
  const { steps, actors, machines } = data;
  const [slider, speed] = [byId('slider') as HTMLInputElement, byId('speed') as HTMLSelectElement];
  const [follow, actorList] = [byId('follow') as HTMLInputElement, byId('actor') as HTMLSelectElement];
  const [play, said, help] = [byId('play'), byId('position'), byId('help') as HTMLDialogElement];
  const tabs = [...document.querySelectorAll<HTMLElement>('[role=tab]')];

  const charts = [...document.querySelectorAll<HTMLElement>('.machine')].map((section, index) => {
    const view = section.querySelector<HTMLElement>('.view')!;
    const isOwn = (actor: number): boolean => actors[actor]?.machine === index;
    section.hidden = index !== 0;
    const light = parts.chartLight(view, { machine: machines[index]!, steps, isOwn });
    return { section, view, light, pane: undefined as ReturnType<typeof zoomPane> | undefined };
  });
  const sequenceView = byId('messages');
  const rows = parts.sequenceLight(sequenceView);
  const sequencePane = parts.zoomPane(sequenceView, false);

  /** The step that is shown; beyond the last one, the whole run. */
  let position = steps.length;
  let machine = 0;
  let actor = actors.findIndex((each) => each.machine === 0);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isWanted = (_actor: number): boolean => true;

  const wants = (step: PageStep): boolean =>
    isWanted(step.actor) || (step.from !== undefined && isWanted(step.from));
  /** The charts' panes are made when they are first seen: before, they have no size. */
  const paneOf = (index: number): ReturnType<typeof zoomPane> | undefined => {
    const chart = charts[index];
    if (chart === undefined || chart.section.hidden) return undefined;
    chart.pane ??= parts.zoomPane(chart.view, true);
    return chart.pane;
  };
  const listActors = (): void => {
    const own = actors.flatMap((each, index) => {
      if (each.machine !== machine || !(isWanted(index) || index === actor)) return [];
      // What is said about an actor tells it from others of its name.
      const words = Object.values(each.labels ?? {}).filter((value) => value !== each.name);
      const short = words.map((text) => (text.length > 16 ? `${text.slice(0, 7)}…${text.slice(-7)}` : text));
      const text = [each.name, ...short].join(' · ');
      return new Option(
        text.length > 60 ? `${text.slice(0, 59)}…` : text,
        String(index),
        index === actor,
        index === actor,
      );
    });
    actorList.replaceChildren(...own);
    actorList.disabled = own.length < 2;
  };
  const choose = (nextMachine: number, nextActor?: number): void => {
    const isSame = machine === nextMachine;
    machine = nextMachine;
    actor = nextActor ?? actors.findIndex((each, index) => each.machine === machine && isWanted(index));
    if (actor < 0) actor = actors.findIndex((each) => each.machine === machine);
    charts.forEach(({ section }, index) => (section.hidden = index !== machine));
    tabs.forEach((tab, index) => {
      tab.setAttribute('aria-selected', String(index === machine));
      tab.tabIndex = index === machine ? 0 : -1;
      if (index === machine && !isSame) tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    });
    listActors();
  };
  const draw = (): void => {
    const step = steps[position];
    slider.value = String(position);
    const text = parts.stepText(data, position);
    said.textContent = text.position;
    slider.setAttribute('aria-valuetext', text.position);
    byId('step').replaceChildren(
      ...text.lines.map(({ name, value }) => {
        const line = document.createElement('p');
        const label = document.createElement('b');
        label.textContent = name;
        line.append(label, ` ${value}`);
        return line;
      }),
    );
    for (const id of ['first', 'back']) (byId(id) as HTMLButtonElement).disabled = position === 0;
    for (const id of ['forward', 'last']) (byId(id) as HTMLButtonElement).disabled = step === undefined;
    const chart = charts[machine];
    if (step === undefined) {
      rows.showAll();
      chart?.light.showAll();
      return;
    }
    const row = rows.show(step.first, step.last);
    if (row !== undefined && follow.checked) sequencePane.reveal(row);
    const lit = chart?.light.show(position, actor) ?? [];
    const pane = paneOf(machine);
    if (follow.checked) for (const part of lit.slice(0, 1)) pane?.reveal(part);
  };
  const go = (next: number): void => {
    position = Math.max(0, Math.min(steps.length, next));
    const about = steps[position]?.actor ?? -1;
    const its = actors[about]?.machine;
    if (follow.checked && its !== undefined && about !== actor) choose(its, about);
    draw();
  };
  const forward = (): number => {
    const found = steps.findIndex((step, index) => index > position && wants(step));
    return found < 0 ? steps.length : found;
  };
  const back = (): number => steps.findLastIndex((step, index) => index < position && wants(step));
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
    play.setAttribute('aria-label', 'Play');
    play.classList.remove('playing');
    said.setAttribute('aria-live', 'polite');
  };
  const tick = (): void => {
    const next = forward();
    if (next >= steps.length) return stop();
    go(next);
    timer = setTimeout(tick, 800 / Number(speed.value));
  };
  const toggle = (): void => {
    if (timer !== undefined) return stop();
    if (position >= steps.length || forward() >= steps.length) position = -1;
    play.setAttribute('aria-label', 'Pause');
    play.classList.add('playing');
    // Nobody can listen to a text that changes all the time.
    said.setAttribute('aria-live', 'off');
    tick();
  };
  const jump = (next: number): void => {
    stop();
    go(next);
  };
  const goBack = (): void => {
    const before = back();
    jump(before < 0 ? position : before);
  };
  const nextActor = (side: 1 | -1): void => {
    const drawn = actors.flatMap((each, index) =>
      each.machine !== undefined && isWanted(index) ? [index] : [],
    );
    const next = drawn[(drawn.indexOf(actor) + side + drawn.length) % drawn.length];
    if (next === undefined) return;
    choose(actors[next]?.machine ?? 0, next);
    draw();
  };

  slider.max = String(steps.length);
  slider.addEventListener('input', () => jump(Number(slider.value)));
  play.addEventListener('click', toggle);
  const buttons: Readonly<Record<string, () => void>> = {
    first: () => jump(0),
    back: goBack,
    forward: () => jump(forward()),
    last: () => jump(steps.length),
    nearer: () => paneOf(machine)?.zoom(1.25),
    farther: () => paneOf(machine)?.zoom(0.8),
    fit: () => paneOf(machine)?.fit(),
    keys: () => help.showModal(),
  };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener('click', act);
  tabs.forEach((tab, index) => {
    tab.addEventListener('click', () => {
      choose(index);
      draw();
      paneOf(machine);
    });
    tab.addEventListener('keydown', (event) => {
      const side = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (side === 0) return;
      event.preventDefault();
      event.stopPropagation();
      const next = tabs[(index + side + tabs.length) % tabs.length];
      next?.click();
      next?.focus();
    });
  });
  actorList.addEventListener('change', () => {
    choose(machine, Number(actorList.value));
    draw();
  });
  sequenceView.addEventListener('click', ({ target }) => {
    const entry = target instanceof Element && !sequencePane.wasDragged ? rows.entryOf(target) : undefined;
    const found = steps.findIndex(
      ({ first, last }) => entry !== undefined && entry >= first && entry <= last,
    );
    if (found >= 0) jump(found);
  });
  charts.forEach(({ section, view, light }, index) => {
    view.addEventListener('click', ({ target }) => {
      const part =
        target instanceof Element ? target.closest('[data-transition],[data-state],[data-heading]') : null;
      if (part === null || paneOf(index)?.wasDragged === true) return;
      const found = light.next(part, position);
      if (found === undefined) return;
      stop();
      choose(index, steps[found]?.actor);
      go(found);
    });
    for (const item of section.querySelectorAll<HTMLElement>('li[data-kind]')) {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener('click', () => {
        const found = light.parts(item.dataset['kind'] ?? '', item.dataset['key'] ?? '');
        for (const part of found.slice(0, 1)) {
          paneOf(index)?.reveal(part);
          view.scrollIntoView({ block: 'nearest' });
        }
        parts.flash(found);
      });
    }
  });
  const { focus } = parts.laneFilter(data, (wanted) => {
    isWanted = wanted;
    const entries = steps.filter((step) => wants(step));
    const shown = new Set<number>();
    for (const { first, last } of entries) for (let at = first; at <= last; at += 1) shown.add(at);
    rows.filter((sequence) => shown.has(sequence));
    if (!isWanted(actor))
      choose(actors.find((each, index) => each.machine !== undefined && isWanted(index))?.machine ?? machine);
    else listActors();
    draw();
    return entries.length;
  });

  const keys: Readonly<Record<string, () => void>> = {
    ' ': toggle,
    ArrowRight: () => jump(forward()),
    ArrowLeft: goBack,
    Home: () => jump(0),
    End: () => jump(steps.length),
    '+': () => paneOf(machine)?.zoom(1.25),
    '=': () => paneOf(machine)?.zoom(1.25),
    '-': () => paneOf(machine)?.zoom(0.8),
    '0': () => paneOf(machine)?.fit(),
    j: () => nextActor(1),
    k: () => nextActor(-1),
    '/': focus,
    '?': () => help.showModal(),
  };
  document.addEventListener('keydown', (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || !(target instanceof Element)) return;
    if (target.matches('input[type=search],select')) {
      if (key === 'Escape') (target as HTMLElement).blur();
      return;
    }
    // A control has these keys for itself.
    if (key === ' ' && target.matches('button,summary,a,input[type=checkbox]')) return;
    if (target === slider && /^(?:Arrow|Home|End)/.test(key)) return;
    const act = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
  // Paper shows the whole run.
  addEventListener('beforeprint', () => {
    rows.showAll();
    for (const { light } of charts) light.showAll();
  });
  addEventListener('afterprint', draw);
  choose(0);
  draw();
  paneOf(0);
}
