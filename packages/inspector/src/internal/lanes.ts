import type { Run, RunActor, RunEntry } from '../run.ts';

/** One vertical line of a sequence: an actor, or several of the same name that one actor started in turn. */
export interface Lane {
  readonly index: number;
  readonly title: string;
  readonly kind: string;
}

/** What of a run is drawn, and where. */
export interface Lanes {
  readonly lanes: readonly Lane[];
  /** Entries of actors that have a lane, and the gaps between them. */
  readonly rows: readonly (RunEntry | GapRow)[];
  /** Lane of an actor; of what is outside when there is none. */
  readonly laneOf: (actor: number | undefined) => number | undefined;
  /** The actor that started another, when it has a lane. */
  readonly parentOf: (actor: number) => number | undefined;
  /** Actors without a lane. */
  readonly hiddenActors: number;
}

/** Entries that are not drawn. */
export interface GapRow {
  readonly type: 'gap';
  readonly entries: number;
}

interface Bounds {
  readonly maxEntries: number;
  readonly maxLanes: number;
}

/** Chooses what of a run is drawn: the beginning and the end, and the actors that appear first in it. */
export function lanesOf(run: Run, caller: string, { maxEntries, maxLanes }: Bounds): Lanes {
  const entries = choose(run, maxEntries);
  const shown = new Set(entries.flatMap(actorsOf));
  const usesCaller = entries.some((entry) => entry.type === 'sent' && entry.from === undefined);
  const groups = new Map<string, RunActor[]>();
  const keys = new Map<number, string>();
  for (const actor of run.actors.filter(({ index }) => shown.has(index))) {
    const parent = actor.parent === undefined ? undefined : (keys.get(actor.parent) ?? `${actor.parent}`);
    const key = parent === undefined ? `${actor.index}` : `${parent}/${actor.id}`;
    keys.set(actor.index, key);
    groups.set(key, [...(groups.get(key) ?? []), actor]);
  }
  const places = new Map([...groups.keys()].slice(0, maxLanes).map((key, index) => [key, index + 1]));
  const laneOf = (actor: number | undefined): number | undefined =>
    actor === undefined ? 0 : places.get(keys.get(actor) ?? '');
  const parentOf = (actor: number): number | undefined => {
    const parent = run.actors[actor]?.parent;
    return parent === undefined || laneOf(parent) === undefined ? undefined : parent;
  };
  const outside: Lane[] = usesCaller ? [{ index: 0, title: caller, kind: 'caller' }] : [];
  const lanes = [...groups].slice(0, maxLanes).map(([, actors], index) => laneFor(actors, index + 1));
  const hiddenActors = [...groups.values()].slice(maxLanes).flat().length;
  const visible = entries.filter((entry) => actorsOf(entry).every((actor) => laneOf(actor) !== undefined));
  return { lanes: [...outside, ...lanes], rows: withGaps(run, visible), laneOf, parentOf, hiddenActors };
}

function laneFor([first, ...others]: readonly RunActor[], index: number): Lane {
  const title = others.length === 0 ? (first?.name ?? '') : `${first?.id} ×${others.length + 1}`;
  const isOther = first?.machine !== undefined && first.machine !== first.id;
  return { index, title, kind: isOther ? `machine ${first.machine}` : (first?.kind ?? 'actor') };
}

function choose({ entries }: Run, maxEntries: number): readonly RunEntry[] {
  if (entries.length <= maxEntries) return entries;
  const first = Math.floor(maxEntries / 3);
  return [...entries.slice(0, first), ...entries.slice(first - maxEntries)];
}

function actorsOf(entry: RunEntry): number[] {
  if (entry.type !== 'sent') return [entry.actor];
  return entry.from === undefined ? [entry.to] : [entry.from, entry.to];
}

function withGaps(run: Run, visible: readonly RunEntry[]): (RunEntry | GapRow)[] {
  const total = run.entries.length + run.dropped.entries;
  let next = 0;
  const rows = visible.flatMap((entry): (RunEntry | GapRow)[] => {
    const entries = entry.sequence - next;
    next = entry.sequence + 1;
    return entries > 0 ? [{ type: 'gap', entries }, entry] : [entry];
  });
  return next < total ? [...rows, { type: 'gap', entries: total - next }] : rows;
}
