import { describe, expect, test } from 'vitest';
import { createActor, createMachine, fromPromise } from 'xstate';
import { sharing } from './sharing.ts';

const machine = createMachine({
  id: 'work',
  initial: 'idle',
  states: {
    idle: { on: { begin: { target: 'working', guard: 'mayBegin' } } },
    working: { entry: 'note', invoke: { src: 'work', onDone: 'done', onError: 'failed' } },
    done: { type: 'final' },
    failed: { type: 'final' },
  },
}).provide({ guards: { mayBegin: () => true }, actions: { note: () => undefined } });

/** What a machine with that work comes to. */
const endOf = (work: () => Promise<unknown>, mayBegin = true): Promise<string> =>
  new Promise((resolve) => {
    const made = sharing(machine).provide({
      actors: { work: fromPromise(work) },
      ...(!mayBegin && { guards: { mayBegin: () => false } }),
    });
    const actor = createActor(made);
    actor.subscribe({ complete: () => resolve(actor.getSnapshot().value as string) });
    actor.start().send({ type: 'begin' });
    if (!mayBegin) resolve(actor.getSnapshot().value as string);
  });

describe('sharing', () => {
  test('each machine has implementations of its own, beside those that it was made with', async () => {
    const ends = [
      endOf(async () => 1),
      endOf(() => Promise.reject(new Error('no'))),
      endOf(async () => 1, false),
    ];
    expect(await Promise.all(ends)).toEqual(['done', 'failed', 'idle']);
  });

  test('they have the states of the first, and what it was provided with stays its own', () => {
    const made = sharing(machine).provide({ guards: { mayBegin: () => false } });
    expect(made.root).toBe(machine.root);
    expect(made.implementations.actions).toEqual(machine.implementations.actions);
    expect(made.implementations.guards).not.toEqual(machine.implementations.guards);
  });

  test('a persisted state is taken up by one of them', () => {
    const made = sharing(machine).provide({ actors: { work: fromPromise(async () => 1) } });
    const actor = createActor(made).start();
    const again = createActor(made, { snapshot: actor.getPersistedSnapshot() }).start();
    expect(again.getSnapshot().value).toBe('idle');
  });
});
