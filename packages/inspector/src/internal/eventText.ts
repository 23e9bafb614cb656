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

/** The states of a list that hold no other of it. */
export function leavesOf(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => other.startsWith(`${path}.`)));
}
