import { actorsOf } from './internal/lanes.ts';
import type { MachineRun, Run, RunActor, RunEntry } from './run.ts';

/** Which actors are looked at. What is not given fits every actor. */
export interface RunFilter {
  /** Labels that an actor must have: that value of each, or one of several. */
  readonly labels?: Readonly<Record<string, string | readonly string[]>>;
  /** What its name, its id, its machine or a label of it contains; upper and lower case are the same. */
  readonly text?: string;
  /** Places of actors in the run. */
  readonly actors?: readonly number[];
}

/**
 * The part of a run that some actors had in it, as a run of its own: those actors, and the entries that tell of them. What
 * others sent to them comes from outside; what they sent to others is left out.
 *
 * Counts cannot be told apart by actor, so those of a machine remain what all of its actors did. `dropped` remains as it was:
 * what was not kept may have been of these actors or of others. Places and sequence numbers are counted anew.
 *
 * @example
 * ```ts
 * const mine = filterRun(recorder.run(), { labels: { node: ['alice', 'bob'], request: '7d3f' } });
 * writeFileSync('request.svg', sequenceSvg(mine, { laneBy: 'node' }));
 * ```
 */
export function filterRun(run: Run, filter: RunFilter): Run {
  const kept = run.actors.filter((actor) => fits(actor, filter));
  if (kept.length === run.actors.length) return run;
  const places = new Map(kept.map(({ index }, place) => [index, place]));
  const actors = kept.map(({ parent, ...actor }, index): RunActor => {
    const place = parent === undefined ? undefined : places.get(parent);
    return { ...actor, index, ...(place !== undefined && { parent: place }) };
  });
  return {
    ...run,
    actors,
    entries: entriesOf(run, places),
    machines: run.machines.filter((machine) => actors.some((actor) => isOf(actor, machine))),
  };
}

function fits(actor: RunActor, { labels: wanted = {}, text = '', actors }: RunFilter): boolean {
  const { index, id, name, machine = '', labels = {} } = actor;
  if (actors !== undefined && !actors.includes(index)) return false;
  const hasLabels = Object.entries(wanted).every(
    ([label, values]) => Object.hasOwn(labels, label) && [values].flat().includes(labels[label] ?? ''),
  );
  if (!hasLabels) return false;
  const searched = text.toLowerCase();
  return [id, name, machine, ...Object.values(labels)].some((each) => each.toLowerCase().includes(searched));
}

/** Gaps stay as long as they were: how much of them was of these actors, nobody knows. */
function entriesOf(run: Run, places: ReadonlyMap<number, number>): RunEntry[] {
  const entries: RunEntry[] = [];
  let [missing, next] = [0, 0];
  for (const entry of run.entries) {
    missing += Math.max(0, entry.sequence - next);
    next = entry.sequence + 1;
    const part = partOf(entry, places);
    if (part !== undefined) entries.push({ ...part, sequence: entries.length + missing });
  }
  return entries;
}

function partOf(entry: RunEntry, places: ReadonlyMap<number, number>): RunEntry | undefined {
  const [first, second] = actorsOf(entry).map((actor) => places.get(actor));
  if (entry.type !== 'sent') return first === undefined ? undefined : { ...entry, actor: first };
  const { from, ...rest } = entry;
  const to = from === undefined ? first : second;
  if (to === undefined) return undefined;
  return { ...rest, ...(from !== undefined && first !== undefined && { from: first }), to };
}

/** A machine's id may have been cut where the actor names it. */
function isOf({ machine }: RunActor, { chart }: MachineRun): boolean {
  if (machine === undefined) return false;
  return machine === chart.id || (machine.endsWith('…') && chart.id.startsWith(machine.slice(0, -1)));
}
