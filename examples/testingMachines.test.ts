// A machine of one's own, and its tests: what it does in each state, that every transition is taken, and a picture of each test that
// fails. Run it: node --test. With Vitest the fixture `machines` of `@lloom/inspector/vitest` takes the place of `recordTest`.
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { createRecorder } from '@lloom/inspector';
import { recordTest } from '@lloom/inspector/node-test';
import { assign, createActor, fromPromise, setup, SimulatedClock, waitFor } from 'xstate';

/** Downloads a file: tries three times, waits longer each time, and can be cancelled at any time. */
const downloadMachine = setup({
  types: {} as {
    context: { url: string; failures: number; bytes?: Uint8Array };
    input: { url: string };
    events: { type: 'download.cancel' };
  },
  actors: {
    fetch: fromPromise<Uint8Array, { url: string }>(async ({ input, signal }) => {
      return new Uint8Array(await (await fetch(input.url, { signal })).arrayBuffer());
    }),
  },
  guards: { isHopeless: ({ context }) => context.failures >= 2 },
  delays: { pause: ({ context }) => 1_000 * 2 ** context.failures },
}).createMachine({
  id: 'download',
  context: ({ input }) => ({ url: input.url, failures: 0 }),
  initial: 'fetching',
  on: { 'download.cancel': { target: '.cancelled' } },
  states: {
    fetching: {
      invoke: {
        src: 'fetch',
        input: ({ context }) => ({ url: context.url }),
        onDone: { target: 'finished', actions: assign({ bytes: ({ event }) => event.output }) },
        onError: [
          { guard: 'isHopeless', target: 'failed' },
          { target: 'waiting', actions: assign({ failures: ({ context }) => context.failures + 1 }) },
        ],
      },
    },
    waiting: { after: { pause: { target: 'fetching' } } },
    finished: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
  },
});

/** Sees what the machines of all tests do. */
const all = createRecorder();

/** A download that is watched, from a server that fails so many times, by a clock that stands still. */
function download(t: TestContext, { failures }: { readonly failures: number }) {
  const machines = recordTest(t, { pictures: 'failed' });
  const clock = new SimulatedClock();
  let calls = 0;
  const fetch = fromPromise<Uint8Array, { url: string }>(async () => {
    calls += 1;
    if (calls <= failures) throw new Error('no answer');
    return new Uint8Array(8);
  });
  const actor = createActor(downloadMachine.provide({ actors: { fetch } }), {
    input: { url: 'http://127.0.0.1/loom.txt' },
    clock,
    inspect: (event) => {
      machines.inspect(event);
      all.inspect(event);
    },
  }).start();
  const is = (state: string) => waitFor(actor, ({ value }) => value === state);
  return { actor, clock, is, calls: () => calls };
}

test('what arrives is there', async (t) => {
  const { is } = download(t, { failures: 0 });
  assert.equal((await is('finished')).context.bytes?.length, 8);
});

test('what fails is tried again, after pauses that double', async (t) => {
  const { actor, clock, is, calls } = download(t, { failures: 2 });
  for (const pauseMs of [2_000, 4_000]) {
    await is('waiting');
    clock.increment(pauseMs - 1);
    assert.equal(actor.getSnapshot().value, 'waiting');
    clock.increment(1);
  }
  await is('finished');
  assert.equal(calls(), 3);
});

test('what fails three times has failed', async (t) => {
  const { clock, is, calls } = download(t, { failures: 3 });
  for (const pauseMs of [2_000, 4_000]) {
    await is('waiting');
    clock.increment(pauseMs);
  }
  await is('failed');
  assert.equal(calls(), 3);
});

test('what is cancelled is not tried again', async (t) => {
  const { actor, clock, is, calls } = download(t, { failures: 3 });
  await is('waiting');
  actor.send({ type: 'download.cancel' });
  clock.increment(60_000);
  assert.deepEqual([actor.getSnapshot().value, calls()], ['cancelled', 1]);
});

after(() => {
  const { machine, taken, total, missed } = all.coverage(downloadMachine);
  console.log(`${machine}: ${taken} of ${total} transitions taken`);
  assert.deepEqual(missed, []);
});
