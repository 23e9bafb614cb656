import { recordFile } from '@lloom/inspector/vitest';
import { expect, test } from 'vitest';
import { createActor, fromPromise, SimulatedClock, waitFor } from 'xstate';
import { nodeMachine } from './node.machine.ts';

const machines = recordFile();

type Step = 'startNode' | 'drainNode' | 'stopNode';

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
  actor.send({ type: 'node.stop', drainMs: 7 });
  expect(actor.getSnapshot().value).toBe('draining');
  expect(await done()).toBe('stopped');
  expect(did).toEqual(['startNode', 'drainNode 7', 'stopNode']);
});

test('a node that cannot drain in its time stops all the same', async () => {
  const clock = new SimulatedClock();
  const machine = nodeMachine.provide({
    actors: {
      startNode: fromPromise(() => Promise.resolve()),
      drainNode: fromPromise(() => new Promise<void>(() => undefined)),
      stopNode: fromPromise(() => Promise.resolve()),
    },
  });
  const actor = createActor(machine, { clock, inspect: machines.inspect }).start();
  await waitFor(actor, (snapshot) => snapshot.matches('running'));
  actor.send({ type: 'node.stop', drainMs: 1_000 });
  clock.increment(2_999);
  expect(actor.getSnapshot().value).toBe('draining');
  clock.increment(1);
  expect(actor.getSnapshot().value).toBe('stopping');
});

test.each<[Step, string]>([
  ['startNode', 'failed'],
  ['drainNode', 'stopped'],
  ['stopNode', 'failed'],
])('a node whose %s fails ends as %s', async (broken, end) => {
  const { actor, done, running } = start(broken);
  if (broken !== 'startNode') {
    await running();
    actor.send({ type: 'node.stop', drainMs: 0 });
  }
  expect(await done()).toBe(end);
});

test.each(['starting', 'draining', 'stopping'])(
  'being told to stop while %s changes nothing',
  async (state) => {
    const { actor, did, done, running } = start();
    if (state !== 'starting') {
      await running();
      actor.send({ type: 'node.stop', drainMs: 1 });
    }
    if (state === 'stopping') await waitFor(actor, (snapshot) => snapshot.matches('stopping'));
    expect(actor.getSnapshot().value).toBe(state);
    actor.send({ type: 'node.stop', drainMs: 9 });
    expect(actor.getSnapshot().value).toBe(state);
    if (state === 'starting') {
      await running();
      actor.send({ type: 'node.stop', drainMs: 1 });
    }
    await done();
    expect(did).toEqual(['startNode', 'drainNode 1', 'stopNode']);
  },
);
