import { durationText, shorten } from './svgText.ts';

/** What people call an event of XState's own; others keep their name. */
export function eventText(event: string): string {
  if (event.startsWith('xstate.done.actor.')) return 'done';
  if (event.startsWith('xstate.error.actor.')) return 'error';
  if (event.startsWith('xstate.done.state.')) return 'done';
  if (event.startsWith('xstate.snapshot.')) return 'snapshot';
  const delay = /^xstate\.after\.(?<delay>[^.]+)\./.exec(event)?.groups?.['delay'];
  if (delay === undefined) return event;
  return /^\d+$/.test(delay) ? `after ${delay} ms` : `after ${delay}`;
}

/** What kind of message an event is: one that ends its sender, or any other. */
export function messageKind(event: string): 'done' | 'failed' | 'message' {
  if (event.startsWith('xstate.done.actor.')) return 'done';
  return event.startsWith('xstate.error.actor.') ? 'failed' : 'message';
}

/** The states of a list that hold no other of it. */
export function leavesOf(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => other.startsWith(`${path}.`)));
}

/** The states that were entered, innermost only, by their last names. */
export function statesText(entered: readonly string[]): string {
  const names = leavesOf(entered).map((path) => path.slice(path.lastIndexOf('.') + 1));
  const shown = names.slice(0, 4).map((name) => shorten(name, 28));
  return names.length > 4 ? `${shown.join(' · ')} · +${names.length - 4}` : shown.join(' · ');
}

/** The guard of a transition's name, `state event [guard] → target`. */
export function guardOf(transition: string): string {
  return /\[(?<guard>.+?)\]/.exec(transition)?.groups?.['guard'] ?? 'a guard';
}

/** A moment of a run: to the millisecond, since what happens at two of them did not happen at once. */
export function timeText(atMs: number): string {
  if (atMs < 1_000) return durationText(atMs);
  const wholeMs = Math.round(atMs);
  const [minutes, seconds] = [Math.floor(wholeMs / 60_000), (wholeMs % 60_000) / 1_000];
  if (minutes === 0) return `${seconds} s`;
  const more = minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return seconds === 0 ? more : `${more} ${seconds} s`;
}
