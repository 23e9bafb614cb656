import { createActor, fromCallback, setup, SimulatedClock } from 'xstate';
import { createRecorder, type Run, type RunActor, type RunEntry } from '../src/index.ts';

const houseMachine = setup({
  types: {} as { events: { type: 'bell' } | { type: 'lunch' } },
  actors: { ring: fromCallback<{ type: 'bell' }>(({ sendBack }) => sendBack({ type: 'bell' })) },
  guards: { isHome: () => false },
}).createMachine({
  id: 'house',
  initial: 'waiting',
  states: {
    waiting: { invoke: { id: 'ring', src: 'ring' }, on: { bell: { target: 'answering' } } },
    answering: {
      after: { 5000: { target: 'resting' } },
      on: { bell: { guard: 'isHome', target: 'resting' } },
    },
    resting: { type: 'final' },
  },
});

/** A run with a child, a guard that refuses, an event nobody wants, and a timer. */
export function runHouse(): Run {
  const clock = new SimulatedClock();
  const recorder = createRecorder({ clock: { elapsed: () => clock.now() } });
  const house = createActor(houseMachine, { clock, inspect: recorder.inspect }).start();
  clock.increment(250);
  house.send({ type: 'lunch' });
  house.send({ type: 'bell' });
  clock.increment(5_000);
  return recorder.run();
}

/** A run as it might be: entries follow one another a millisecond apart. */
export function runOf(actors: Partial<RunActor>[], entries: object[]): Run {
  return {
    actors: actors.map((actor, index) => ({
      index,
      name: `actor-${index}`,
      id: `actor-${index}`,
      kind: 'actor' as const,
      ...actor,
    })),
    entries: entries.map((entry, sequence) => ({ sequence, atMs: sequence, ...entry }) as RunEntry),
    dropped: { entries: 0, actors: 0, machines: 0, reports: 0, labels: 0 },
    machines: [],
    durationMs: entries.length,
  };
}

const started = (actor: number, ...entered: string[]): object => ({ type: 'started', actor, entered });
const sent = (to: number, event: string, from?: number): object => ({
  type: 'sent',
  to,
  event,
  ...(from !== undefined && { from }),
});
const taken = (actor: number, event: string, ...entered: string[]): object => ({
  type: 'taken',
  actor,
  event,
  always: false,
  transitions: [event],
  keys: [],
  refused: [],
  entered,
});
const stopped = (actor: number, status = 'done'): object => ({ type: 'stopped', actor, status });

/** Ann asks Bob, who says nothing, then Cem, who answers. Each has a machine `pool` of its own. */
export function runQuestion(): Run {
  const machine = (id: string, name: string, labels: Record<string, string>): Partial<RunActor> => ({
    ...{ id, name, labels, machine: name },
    kind: 'machine',
  });
  const actors = [
    machine('pool', 'pool', { node: 'ann' }),
    machine('pool', 'pool', { node: 'bob' }),
    machine('a-1', 'request', { node: 'ann', request: 'tea' }),
    machine('b-1', 'execution', { node: 'bob', request: 'tea' }),
    machine('a-1', 'request', { node: 'ann', request: 'tea' }),
    machine('c-1', 'execution', { node: 'cem', request: 'tea' }),
    { ...machine('meter', 'meter', { node: 'cem' }), parent: 5 },
    machine('a-2', 'request', { node: 'ann', request: 'jam' }),
  ];
  return runOf(actors, [
    started(0, 'steady'),
    started(1, 'steady'),
    started(2, 'dialing'),
    sent(2, 'request.sent'),
    taken(2, 'request.sent', 'awaiting'),
    started(3, 'running'),
    sent(2, 'xstate.after.30.request.awaiting', 2),
    taken(2, 'xstate.after.30.request.awaiting', 'silent'),
    stopped(2),
    started(4, 'awaiting'),
    started(5, 'running'),
    started(6, 'counting'),
    sent(6, 'meter.tick', 5),
    taken(6, 'meter.tick'),
    sent(5, 'xstate.done.actor.meter', 6),
    stopped(6),
    taken(5, 'xstate.done.actor.meter', 'answered'),
    stopped(5),
    sent(4, 'answer.ended'),
    taken(4, 'answer.ended', 'succeeded'),
    stopped(4),
    started(7, 'dialing'),
    stopped(7, 'stopped'),
    stopped(3, 'error'),
  ]);
}

/** All texts of a picture, from top to bottom, as far as they are rows. */
export function rowTextsOf(svg: string): string[] {
  return textsOf(svg.slice(0, svg.indexOf('<g class="heads">')));
}

/** What stands above the lanes. */
export function headTextsOf(svg: string): string[] {
  return textsOf(svg.slice(svg.indexOf('<g class="heads">')));
}

function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/g)].map(([, text = '']) =>
    text.replaceAll(/<\/?tspan[^>]*>/g, ''),
  );
}
