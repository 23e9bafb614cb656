import { recordFile } from '@lloom/inspector/vitest';
import { expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { inboundMachine, type InboundEvent, type InboundState } from './inbound.machine.ts';

const machines = recordFile();

function start(readTimeoutMs = 100) {
  const clock = new SimulatedClock();
  const input = { requestId: 'r-1', peerId: 'peer-1', readTimeoutMs, handleTimeoutMs: 9_999 };
  const actor = createActor(inboundMachine, { input, clock, inspect: machines.inspect }).start();
  return { actor, clock, state: (): InboundState => actor.getSnapshot().value };
}

const read = { type: 'request.read', handleTimeoutMs: 1_000 } as const;
const verified = { type: 'request.verified' } as const;
const refused = { type: 'request.refused' } as const;
const awaited = { type: 'slot.awaited' } as const;
const taken = { type: 'slot.taken' } as const;
const began = { type: 'answer.began' } as const;
const ended = { type: 'answer.ended' } as const;
const failed = { type: 'answer.failed' } as const;
const gone = { type: 'client.gone' } as const;
const stop = { type: 'inbound.stop' } as const;

const paths: Record<string, InboundEvent[]> = {
  reading: [],
  verifying: [read],
  queued: [read, awaited],
  handling: [read, verified],
  responding: [read, verified, began],
};

const table: [from: keyof typeof paths, event: InboundEvent, to: InboundState][] = [
  ['reading', read, 'verifying'],
  ['reading', refused, 'refused'],
  ['reading', ended, 'reading'],
  ['verifying', verified, 'handling'],
  ['verifying', refused, 'refused'],
  ['verifying', ended, 'verifying'],
  ['verifying', awaited, 'queued'],
  ['verifying', taken, 'verifying'],
  ['queued', taken, 'handling'],
  ['queued', refused, 'refused'],
  ['queued', ended, 'queued'],
  ['handling', began, 'responding'],
  ['handling', ended, 'answered'],
  ['handling', refused, 'handling'],
  ['responding', ended, 'answered'],
  ['responding', began, 'responding'],
  ...Object.keys(paths).flatMap((from): [string, InboundEvent, InboundState][] => [
    [from, failed, 'failed'],
    [from, gone, 'abandoned'],
    [from, stop, ['reading', 'verifying', 'queued'].includes(from) ? 'stopped' : 'interrupted'],
  ]),
];

test.each(table)('an inbound request that is %s goes with %o to %s', (from, event, to) => {
  const { actor, state } = start();
  for (const step of paths[from]!) actor.send(step);
  actor.send(event);
  expect(state()).toBe(to);
});

test('a client that sends too slowly is refused', () => {
  const { clock, state } = start();
  clock.increment(99);
  expect(state()).toBe('reading');
  clock.increment(1);
  expect(state()).toBe('slow');
});

test('a request that is there already is never slow', () => {
  const { clock, state } = start(0);
  clock.increment(86_400_000);
  expect(state()).toBe('reading');
});

test.each([
  ['verifying', 'omitted'],
  ['queued', 'crowdedOut'],
  ['handling', 'omitted'],
  ['responding', 'omitted'],
])('a request that is still %s at the client’s deadline is %s', (from, end) => {
  const { actor, clock, state } = start();
  for (const step of paths[from]!) actor.send(step);
  clock.increment(999);
  expect(state()).toBe(from);
  clock.increment(1);
  expect(state()).toBe(end);
});

test('the client’s deadline is one: no step gives it more time', () => {
  const { actor, clock, state } = start();
  clock.increment(90);
  actor.send(read);
  clock.increment(200);
  actor.send(awaited);
  clock.increment(200);
  actor.send(taken);
  clock.increment(400);
  actor.send(began);
  clock.increment(199);
  expect(state()).toBe('responding');
  clock.increment(1);
  expect(state()).toBe('omitted');
});
