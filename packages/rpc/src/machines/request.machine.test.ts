import { recordFile } from '@lloom/inspector/vitest';
import { expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { requestMachine, type RequestEvent, type RequestState } from './request.machine.ts';

const machines = recordFile();
const limits = { dialTimeoutMs: 100, firstByteTimeoutMs: 300, timeoutMs: 1_000 };

function start(changes: Partial<typeof limits> = {}) {
  const clock = new SimulatedClock();
  const input = { requestId: 'r-1', peerId: 'peer-1', ...limits, ...changes };
  const actor = createActor(requestMachine, { input, clock, inspect: machines.inspect }).start();
  return { actor, clock, state: (): RequestState => actor.getSnapshot().value };
}

const opened = { type: 'session.opened' } as const;
const sent = { type: 'request.sent' } as const;
const began = { type: 'answer.began' } as const;
const stalled = { type: 'answer.stalled' } as const;
const ended = { type: 'answer.ended' } as const;
const verified = { type: 'answer.verified' } as const;
const failed = { type: 'exchange.failed' } as const;
const cancel = { type: 'request.cancel' } as const;
const stop = { type: 'request.stop' } as const;

const paths: Record<string, RequestEvent[]> = {
  dialing: [],
  sending: [opened],
  awaiting: [opened, sent],
  receiving: [opened, sent, began],
  verifying: [opened, sent, began, ended],
};

const table: [from: keyof typeof paths, event: RequestEvent, to: RequestState][] = [
  ['dialing', opened, 'sending'],
  ['dialing', sent, 'dialing'],
  ['dialing', ended, 'dialing'],
  ['sending', sent, 'awaiting'],
  ['sending', began, 'receiving'],
  ['sending', ended, 'verifying'],
  ['sending', stalled, 'sending'],
  ['awaiting', began, 'receiving'],
  ['awaiting', ended, 'verifying'],
  ['awaiting', verified, 'awaiting'],
  ['awaiting', stalled, 'awaiting'],
  ['receiving', began, 'receiving'],
  ['receiving', ended, 'verifying'],
  ['receiving', stalled, 'stalled'],
  ['verifying', verified, 'succeeded'],
  ['verifying', began, 'verifying'],
  ['verifying', stalled, 'verifying'],
  ...Object.keys(paths).flatMap((from): [string, RequestEvent, RequestState][] => [
    [from, cancel, 'cancelled'],
    [from, failed, 'failed'],
    [from, stop, 'stopped'],
  ]),
];

test.each(table)('a request that is %s goes with %o to %s', (from, event, to) => {
  const { actor, state } = start();
  for (const step of paths[from]!) actor.send(step);
  actor.send(event);
  expect(state()).toBe(to);
});

test.each([
  ['dialing', 100, 'unreached'],
  ['sending', 1_000, 'timedOut'],
  ['awaiting', 300, 'silent'],
  ['receiving', 1_000, 'timedOut'],
  ['verifying', 1_000, 'timedOut'],
] as const)('a request that is %s ends after %i ms as %s', (from, ms, to) => {
  const { actor, clock, state } = start();
  for (const step of paths[from]!) actor.send(step);
  clock.increment(ms - 1);
  expect(state()).toBe(from);
  clock.increment(1);
  expect(state()).toBe(to);
});

test('the time for the first byte counts from the last byte sent', () => {
  const { actor, clock, state } = start();
  clock.increment(90);
  actor.send(opened);
  clock.increment(200);
  actor.send(sent);
  clock.increment(299);
  expect(state()).toBe('awaiting');
  clock.increment(1);
  expect(state()).toBe('silent');
});

test.each(['dialing', 'awaiting'])('without a limit of its own, %s may take as long as the whole', (from) => {
  const { actor, clock, state } = start({ dialTimeoutMs: 0, firstByteTimeoutMs: 0 });
  for (const step of paths[from]!) actor.send(step);
  clock.increment(999);
  expect(state()).toBe(from);
  clock.increment(1);
  expect(state()).toBe('timedOut');
});
