import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, test } from 'vitest';
import { createActor, fromPromise, SimulatedClock, waitFor } from 'xstate';
import { nodeMachine } from './node.machine.ts';

const machines = recordFile();

type Step = 'startNode' | 'drainNode' | 'stopNode';

/** Somebody wants it to stop, and says so at a time of the clock. */
const stop = (drainMs: number, atMs = 0) =>
  ({ type: 'node.stop', drainMs, drainEndsAtMs: atMs + drainMs }) as const;

function start(broken?: Step) {
  const did: string[] = [];
  const release = Promise.withResolvers<void>();
  const step = async (name: Step, drainMs?: number): Promise<void> => {
    did.push(drainMs === undefined ? name : `${name} ${drainMs}`);
    if (broken === name) throw new Error(`${name} failed`);
    if (name === 'stopNode') await release.promise;
  };
  const machine = nodeMachine.provide({
    actors: {
      startNode: fromPromise(() => step('startNode')),
      drainNode: fromPromise(({ input }: { input: { drainMs: number } }) => step('drainNode', input.drainMs)),
      stopNode: fromPromise(() => step('stopNode')),
    },
  });
  const actor = createActor(machine, { inspect: machines.inspect }).start();
  const done = async () => {
    release.resolve();
    const { value } = await waitFor(actor, (snapshot) => snapshot.status === 'done');
    return value;
  };
  const running = () => waitFor(actor, (snapshot) => snapshot.matches('running'));
  return { actor, did, done, running };
}

test('a node starts, runs, drains for as long as it was told, and stops', async () => {
  const { actor, did, done, running } = start();
  expect(actor.getSnapshot().value).toBe('starting');
  await running();
  actor.send(stop(7));
  expect(actor.getSnapshot().value).toBe('draining');
  expect(await done()).toBe('stopped');
  expect(did).toEqual(['startNode', 'drainNode 7', 'stopNode']);
});

describe('a node that cannot drain', () => {
  /** One on a clock that stands still, and for how long each of its drains was to last. */
  async function startHanging() {
    const clock = new SimulatedClock();
    const drains: number[] = [];
    const machine = nodeMachine.provide({
      actors: {
        startNode: fromPromise(() => Promise.resolve()),
        drainNode: fromPromise<void, { drainMs: number }>(({ input }) => {
          drains.push(input.drainMs);
          return new Promise<void>(() => undefined);
        }),
        stopNode: fromPromise(() => Promise.resolve()),
      },
    });
    const actor = createActor(machine, { clock, inspect: machines.inspect }).start();
    await waitFor(actor, (snapshot) => snapshot.matches('running'));
    return { actor, clock, drains };
  }

  type Later = readonly [atMs: number, drainMs: number];

  /** When it stops at last, with its two seconds for what is not requests, and the drains that were begun. */
  test.each<[string, { readonly later: readonly Later[]; endsAtMs: number; begun: number[] }]>([
    ['is told once', { later: [], endsAtMs: 7_000, begun: [5_000] }],
    ['is told to stop at once', { later: [[1_000, 0]], endsAtMs: 3_000, begun: [5_000, 0] }],
    ['is told what is over sooner', { later: [[1_000, 1_500]], endsAtMs: 4_500, begun: [5_000, 1_500] }],
    ['is told what is over as soon', { later: [[1_000, 4_000]], endsAtMs: 7_000, begun: [5_000] }],
    ['is told what is over later', { later: [[1_000, 9_000]], endsAtMs: 7_000, begun: [5_000] }],
    [
      'is told less and less, and more again',
      {
        later: [
          [1_000, 3_000],
          [2_000, 1_000],
          [2_500, 60_000],
        ],
        endsAtMs: 5_000,
        begun: [5_000, 3_000, 1_000],
      },
    ],
  ])('and %s', async (_, { later, endsAtMs, begun }) => {
    const { actor, clock, drains } = await startHanging();
    actor.send(stop(5_000));
    for (const [atMs, drainMs] of later) {
      clock.set(atMs);
      actor.send(stop(drainMs, atMs));
    }
    clock.set(endsAtMs - 1);
    expect(actor.getSnapshot().value).toBe('draining');
    clock.set(endsAtMs);
    expect(actor.getSnapshot().value).toBe('stopping');
    expect(drains).toEqual(begun);
  });
});

test.each<[Step, string]>([
  ['startNode', 'failed'],
  ['drainNode', 'stopped'],
  ['stopNode', 'failed'],
])('a node whose %s fails ends as %s', async (broken, end) => {
  const { actor, done, running } = start(broken);
  if (broken !== 'startNode') {
    await running();
    actor.send(stop(0));
  }
  expect(await done()).toBe(end);
});

test.each(['starting', 'draining', 'stopping'])(
  'being told to stop, and not sooner, while %s changes nothing',
  async (state) => {
    const { actor, did, done, running } = start();
    if (state !== 'starting') {
      await running();
      actor.send(stop(1));
    }
    if (state === 'stopping') await waitFor(actor, (snapshot) => snapshot.matches('stopping'));
    expect(actor.getSnapshot().value).toBe(state);
    actor.send(stop(9));
    expect(actor.getSnapshot().value).toBe(state);
    if (state === 'starting') {
      await running();
      actor.send(stop(1));
    }
    await done();
    expect(did).toEqual(['startNode', 'drainNode 1', 'stopNode']);
  },
);
