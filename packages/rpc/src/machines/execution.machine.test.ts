import { recordFile } from '@lloom/inspector/vitest';
import { expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { executionMachine, type ExecutionEvent, type ExecutionState } from './execution.machine.ts';

const machines = recordFile();

function start() {
  const clock = new SimulatedClock();
  const input = { requestId: 'r-1', peerId: 'peer-1' };
  const actor = createActor(executionMachine, { input, clock, inspect: machines.inspect }).start();
  return { actor, clock, state: (): ExecutionState => actor.getSnapshot().value };
}

const awaited = { type: 'slot.awaited' } as const;
const taken = { type: 'slot.taken' } as const;
const refused = { type: 'request.refused' } as const;
const lost = { type: 'clients.lost', rejoinMs: 5_000 } as const;
const joined = { type: 'client.joined' } as const;
const ended = { type: 'answer.ended' } as const;
const failed = { type: 'answer.failed' } as const;
const late = { type: 'deadline.passed' } as const;
const cancel = { type: 'execution.cancel' } as const;
const lose = { type: 'execution.lose' } as const;
const stop = { type: 'execution.stop' } as const;

const paths: Record<string, ExecutionEvent[]> = {
  admitting: [],
  queued: [awaited],
  running: [taken],
  detached: [taken, lost],
};

const table: [from: keyof typeof paths, event: ExecutionEvent, to: ExecutionState][] = [
  ['admitting', awaited, 'queued'],
  ['admitting', taken, 'running'],
  ['admitting', refused, 'refused'],
  ['admitting', late, 'omitted'],
  ['admitting', stop, 'stopped'],
  ['admitting', lost, 'admitting'],
  ['admitting', ended, 'admitting'],
  ['queued', taken, 'running'],
  ['queued', refused, 'refused'],
  ['queued', late, 'crowdedOut'],
  ['queued', stop, 'stopped'],
  ['queued', lost, 'queued'],
  ['running', lost, 'detached'],
  ['running', ended, 'answered'],
  ['running', failed, 'failed'],
  ['running', late, 'omitted'],
  ['running', lose, 'lost'],
  ['running', stop, 'interrupted'],
  ['running', refused, 'running'],
  ['detached', joined, 'running'],
  ['detached', ended, 'answered'],
  ['detached', failed, 'failed'],
  ['detached', lose, 'lost'],
  ['detached', stop, 'interrupted'],
  ['detached', late, 'detached'],
  ...Object.keys(paths).map((from): [string, ExecutionEvent, ExecutionState] => [from, cancel, 'cancelled']),
];

test.each(table)('an execution that is %s goes with %o to %s', (from, event, to) => {
  const { actor, state } = start();
  for (const step of paths[from]!) actor.send(step);
  actor.send(event);
  expect(state()).toBe(to);
});

test('an execution whose clients do not come back is lost when their time is over', () => {
  const { actor, clock, state } = start();
  actor.send(taken);
  actor.send(lost);
  clock.increment(4_999);
  expect(state()).toBe('detached');
  clock.increment(1);
  expect(state()).toBe('lost');
});

test('a client that comes back has all its time again when it is lost once more', () => {
  const { actor, clock, state } = start();
  actor.send(taken);
  actor.send(lost);
  clock.increment(4_000);
  actor.send(joined);
  clock.increment(60_000);
  actor.send({ ...lost, rejoinMs: 2_000 });
  clock.increment(1_999);
  expect(state()).toBe('detached');
  clock.increment(1);
  expect(state()).toBe('lost');
});
