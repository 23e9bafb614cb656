import type { Run, RunActor, RunEntry } from '../run.ts';
import { shorten } from './svgText.ts';

/** One vertical line of a sequence: an actor, several of one name that one actor started in turn, or all of a label. */
export interface Lane {
  readonly index: number;
  readonly title: string;
  readonly kind: string;
  /** Whether it stands for a label: what happens in it must say to whom. */
  readonly isShared: boolean;
  /** Places of its actors in the run. */
  readonly actors: readonly number[];
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
  /** What an actor is called in a lane that it shares; nothing in a lane of its own. */
  readonly nameOf: (actor: number) => string;
  /** What an actor of a label's lane is a part of, wherever it is, and by which machine. */
  readonly threadOf: (actor: number) => Pick<RunActor, 'id' | 'machine'> | undefined;
  /** What the picture leaves out, as sentences for its end. */
  readonly remarks: readonly string[];
}

/** Entries that are not drawn. */
export interface GapRow {
  readonly type: 'gap';
  readonly entries: number;
}

/** What of a run a sequence shows. */
export interface LaneConfig {
  readonly caller: string;
  readonly maxEntries: number;
  readonly maxLanes: number;
  readonly laneBy: string | undefined;
  readonly threadBy: string | undefined;
}

/** Chooses what of a run is drawn: the beginning and the end, and the actors that appear first in it. */
export function lanesOf(run: Run, config: LaneConfig): Lanes {
  const { caller, maxEntries, maxLanes, laneBy, threadBy } = config;
  const entries = choose(run, maxEntries);
  const shown = new Set(entries.flatMap(actorsOf));
  const groups = new Map<string, Group>();
  const keys = new Map<number, string>();
  for (const actor of run.actors.filter(({ index }) => shown.has(index))) {
    const label = labelOf(actor, laneBy);
    const parent = actor.parent === undefined ? undefined : (keys.get(actor.parent) ?? `${actor.parent}`);
    const own = parent === undefined ? `${actor.index}` : `${parent}/${actor.id}`;
    const key = label === undefined ? own : `=${label}`;
    keys.set(actor.index, key);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { label, actors: [actor] });
    else group.actors.push(actor);
  }
  const all = [...groups.values()];
  const drawn = all.slice(0, maxLanes);
  const places = new Map([...groups.keys()].slice(0, maxLanes).map((key, index) => [key, index + 1]));
  const laneOf = (actor: number | undefined): number | undefined =>
    actor === undefined ? 0 : places.get(keys.get(actor) ?? '');
  const names = new Map(
    drawn.flatMap(({ label, actors }) => (label === undefined ? [] : namesIn(actors, threadBy))),
  );
  // Who is outside has a line of its own only where lines are actors: it speaks to all of a label at once.
  const usesCaller = entries.some(
    (entry) => entry.type === 'sent' && entry.from === undefined && !names.has(entry.to),
  );
  const outside = { index: 0, title: caller, kind: 'caller', isShared: false, actors: [] };
  const lanes = drawn.map((group, index) => laneFor(group, { index: index + 1, laneBy }));
  const visible = (row: RunEntry | GapRow): boolean =>
    row.type === 'gap' || actorsOf(row).every((actor) => laneOf(actor) !== undefined);
  const rows = withGaps(run, entries);
  const hidden = {
    lanes: all.length - drawn.length,
    actors: all.slice(maxLanes).flatMap(({ actors }) => actors).length,
    entries: rows.length - rows.filter(visible).length,
  };
  return {
    lanes: usesCaller ? [outside, ...lanes] : lanes,
    rows: merged(rows.filter(visible)),
    laneOf,
    parentOf: (actor) => {
      const parent = run.actors[actor]?.parent;
      return parent === undefined || laneOf(parent) === undefined ? undefined : parent;
    },
    nameOf: (actor) => names.get(actor) ?? '',
    threadOf: (index) => {
      const actor = run.actors[index];
      if (actor === undefined || !names.has(index)) return undefined;
      const id = threadBy === undefined ? actor.id : labelOf(actor, threadBy);
      return id === undefined
        ? undefined
        : { id, ...(actor.machine !== undefined && { machine: actor.machine }) };
    },
    remarks: remarksOn(run, hidden),
  };
}

interface Group {
  readonly label: string | undefined;
  readonly actors: RunActor[];
}

function labelOf({ labels }: RunActor, name: string | undefined): string | undefined {
  return name !== undefined && labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
}

function laneFor(
  { label, actors }: Group,
  { index, laneBy }: { index: number; laneBy: string | undefined },
): Lane {
  const [first, ...others] = actors;
  const base = { index, isShared: label !== undefined, actors: actors.map((actor) => actor.index) };
  if (label !== undefined) {
    const many = others.length === 0 ? '1 actor' : `${actors.length} actors`;
    return { ...base, title: label, kind: `${laneBy} · ${many}` };
  }
  const title = others.length === 0 ? (first?.name ?? '') : `${first?.id} ×${actors.length}`;
  const isOther = first?.machine !== undefined && first.machine !== first.id;
  return { ...base, title, kind: isOther ? `machine ${first.machine}` : (first?.kind ?? 'actor') };
}

/** Within a lane the machine tells most actors apart; what they work on, or their id, those that have the same one. */
function namesIn(actors: readonly RunActor[], threadBy: string | undefined): [number, string][] {
  const kindOf = ({ machine, id }: RunActor): string => shorten(machine ?? id, 28);
  const idOf = (actor: RunActor): string => labelOf(actor, threadBy) ?? actor.id;
  const idsOf = new Map<string, Set<string>>();
  for (const actor of actors) {
    const kind = kindOf(actor);
    idsOf.set(kind, (idsOf.get(kind) ?? new Set()).add(idOf(actor)));
  }
  const used = new Map<string, number>();
  return actors.map((actor) => {
    const [kind, id] = [kindOf(actor), idOf(actor)];
    const needsId = (idsOf.get(kind)?.size ?? 0) > 1 && id !== kind;
    const name = needsId ? `${kind} ${shorten(id, 12)}` : kind;
    const copy = (used.get(name) ?? 0) + 1;
    used.set(name, copy);
    return [actor.index, copy === 1 ? name : `${name} ${copy}`];
  });
}

function choose({ entries }: Run, maxEntries: number): readonly RunEntry[] {
  if (entries.length <= maxEntries) return entries;
  const first = Math.floor(maxEntries / 3);
  return [...entries.slice(0, first), ...entries.slice(entries.length - maxEntries + first)];
}

/** Places of the actors that an entry tells of. */
export function actorsOf(entry: RunEntry): number[] {
  if (entry.type !== 'sent') return [entry.actor];
  return entry.from === undefined ? [entry.to] : [entry.from, entry.to];
}

function withGaps(run: Run, chosen: readonly RunEntry[]): (RunEntry | GapRow)[] {
  const total = run.entries.length + run.dropped.entries;
  let next = 0;
  const rows = chosen.flatMap((entry): (RunEntry | GapRow)[] => {
    const entries = entry.sequence - next;
    next = entry.sequence + 1;
    return entries > 0 ? [{ type: 'gap', entries }, entry] : [entry];
  });
  return next < total ? [...rows, { type: 'gap', entries: total - next }] : rows;
}

/** Gaps with nothing between them are one. */
function merged(rows: readonly (RunEntry | GapRow)[]): (RunEntry | GapRow)[] {
  const all: (RunEntry | GapRow)[] = [];
  for (const row of rows) {
    const last = all.at(-1);
    if (row.type === 'gap' && last?.type === 'gap')
      all.splice(-1, 1, { type: 'gap', entries: last.entries + row.entries });
    else all.push(row);
  }
  return all;
}

function remarksOn(
  { dropped }: Run,
  hidden: { readonly lanes: number; readonly actors: number; readonly entries: number },
): string[] {
  const { actors, labels, reports } = dropped;
  const where = hidden.lanes === hidden.actors ? '' : ` in ${hidden.lanes} more lanes`;
  return [
    ...(hidden.actors > 0
      ? [
          `and ${counted(hidden.actors, 'more actor')}${where} with ${counted(hidden.entries, 'entry', 'entries')}, not drawn`,
        ]
      : []),
    ...(actors > 0 ? [`${counted(actors, 'actor')} not told apart: there were too many`] : []),
    ...(labels > 0 ? [`${counted(labels, 'label')} not kept`] : []),
    ...(reports > 0 ? [`${counted(reports, 'report')} could not be read`] : []),
  ];
}

/** A number with its noun. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
