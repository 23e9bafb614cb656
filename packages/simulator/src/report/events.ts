import { finite } from './words.ts';
import type { SimulationReport, TimelineEvent } from './types.ts';

/** An event of the timeline with the number that it has on the whole page. */
export interface NumberedEvent extends TimelineEvent {
  readonly number: number;
  readonly fromMs: number;
  /** When it was over; `undefined` for what takes no time. */
  readonly endMs: number | undefined;
}

/** At most so many events have a row; the rest is counted. */
const maxEvents = 200;
/** At most so many are marked in every picture: more would hide what they are to explain. */
const maxMarks = 24;

const lasting = new Set<TimelineEvent['kind']>(['partition', 'hold', 'link', 'crash', 'churn', 'load']);
const faults = new Set<TimelineEvent['kind']>(['partition', 'hold', 'link', 'crash', 'churn']);

/** The events of a report in the order of time, with numbers, and with ends that lie within the run. */
export function eventsOf({ timeline, durationMs }: SimulationReport): readonly NumberedEvent[] {
  const endOfRun = Math.max(0, finite(durationMs));
  const within = (ms: number): number => Math.min(Math.max(0, finite(ms)), endOfRun);
  return timeline
    .toSorted((a, b) => finite(a.atMs) - finite(b.atMs))
    .slice(0, maxEvents)
    .map((event, place) => {
      const fromMs = within(event.atMs);
      const openEnd = lasting.has(event.kind) ? endOfRun : undefined;
      const endMs = event.untilMs === undefined ? openEnd : Math.max(fromMs, within(event.untilMs));
      return { ...event, number: place + 1, fromMs, endMs };
    });
}

/** Whether something is wrong with the network while it lasts. */
export const isFault = ({ kind }: TimelineEvent): boolean => faults.has(kind);

/** The events that pictures mark. */
export function marksOf(events: readonly NumberedEvent[]): readonly NumberedEvent[] {
  // Churn lasts for whole runs: what it does is seen by its crashes.
  const marked = events.filter(({ kind, fromMs }) =>
    faults.has(kind) ? kind !== 'churn' : fromMs > 0 && kind !== 'restart' && kind !== 'note',
  );
  if (marked.length <= maxMarks) return marked;
  // Crashes are many; what else happens is rare, and explains more.
  const rare = marked.filter(({ kind }) => kind !== 'crash').slice(0, maxMarks);
  const crashes = marked.filter(({ kind }) => kind === 'crash').slice(0, maxMarks - rare.length);
  return [...rare, ...crashes].toSorted((a, b) => a.number - b.number);
}

/** The faults, and what else lasts, at a moment. */
export const activeAt = (events: readonly NumberedEvent[], atMs: number): readonly NumberedEvent[] =>
  events.filter(
    ({ fromMs, endMs, untilMs }) =>
      endMs !== undefined && fromMs <= atMs && (atMs < endMs || untilMs === undefined),
  );
