import { recordFile } from '@lloom/inspector/vitest';
import { expect, test } from 'vitest';
import { createActor, fromCallback, SimulatedClock } from 'xstate';
import { inboundMachine, type InboundEvent } from './inbound.machine.ts';

const machines = recordFile();
const input = { requestId: 'r-1', peerId: 'peer-1', readTimeoutMs: 100, handleTimeoutMs: 9_999 };

function start(exchange: () => void = () => undefined) {
  const clock = new SimulatedClock();
  const machine = inboundMachine.provide({ actors: { exchange: fromCallback(exchange) } });
  const actor = createActor(machine, { input, clock, inspect: machines.inspect }).start();
  const state = (): string => {
    const { value } = actor.getSnapshot();
    return typeof value === 'string' ? value : value.working;
  };
  return { actor, clock, state };
}

const read = { type: 'request.read', handleTimeoutMs: 1_000 } as const;
const verified = { type: 'request.verified' } as const;
const refused = { type: 'request.refused' } as const;
const began = { type: 'answer.began' } as const;
const ended = { type: 'answer.ended' } as const;
const failed = { type: 'answer.failed' } as const;
const gone = { type: 'client.gone' } as const;
const stop = { type: 'inbound.stop' } as const;

const paths: Record<string, InboundEvent[]> = {
  reading: [],
  verifying: [read],
  handling: [read, verified],
  responding: [read, verified, began],
};

const table: [from: keyof typeof paths, event: InboundEvent, to: string][] = [
  ['reading', read, 'verifying'],
  ['reading', refused, 'refused'],
  ['reading', ended, 'reading'],
  ['verifying', verified, 'handling'],
  ['verifying', refused, 'refused'],
  ['handling', began, 'responding'],
  ['handling', ended, 'answered'],
  ['handling', refused, 'handling'],
  ['responding', ended, 'answered'],
  ['responding', began, 'responding'],
  ...Object.keys(paths).flatMap((from): [string, InboundEvent, string][] => [
    [from, failed, 'failed'],
    [from, gone, 'abandoned'],
    [from, stop, from === 'reading' || from === 'verifying' ? 'stopped' : 'interrupted'],
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
  clock.increment(100);
  expect(state()).toBe('slow');
});

test.each(['verifying', 'handling', 'responding'])(
  'a request that is still %s at the client’s deadline is omitted',
  (from) => {
    const { actor, clock, state } = start();
    for (const step of paths[from]!) actor.send(step);
    clock.increment(999);
    expect(state()).toBe(from);
    clock.increment(1);
    expect(state()).toBe('omitted');
  },
);

test('an exchange that throws fails the request instead of the process', () => {
  const { state } = start(() => {
    throw new Error('broken');
  });
  expect(state()).toBe('failed');
});
