import { recordFile } from '@lloom/inspector/vitest';
import { expect, test, vi } from 'vitest';
import { createActor, fromCallback, SimulatedClock } from 'xstate';
import { requestMachine, type RequestEvent } from './request.machine.ts';

const machines = recordFile();
const input = { requestId: 'r-1', peerId: 'peer-1', timeoutMs: 1_000 };

function start(exchange: () => void = () => undefined) {
  let released = 0;
  const clock = new SimulatedClock();
  const machine = requestMachine.provide({
    actors: {
      exchange: fromCallback(() => {
        exchange();
        return () => released++;
      }),
    },
  });
  const actor = createActor(machine, { input, clock, inspect: machines.inspect }).start();
  return { actor, clock, released: () => released };
}

const opened = { type: 'stream.opened' } as const;
const sent = { type: 'request.sent' } as const;
const began = { type: 'answer.began' } as const;
const ended = { type: 'answer.ended' } as const;
const verified = { type: 'answer.verified' } as const;
const failed = { type: 'exchange.failed' } as const;
const cancel = { type: 'request.cancel' } as const;

const paths: Record<string, RequestEvent[]> = {
  dialing: [],
  sending: [opened],
  awaiting: [opened, sent],
  receiving: [opened, sent, began],
  verifying: [opened, sent, began, ended],
};

const table: [from: keyof typeof paths, event: RequestEvent, to: string][] = [
  ['dialing', opened, 'sending'],
  ['dialing', sent, 'dialing'],
  ['dialing', ended, 'dialing'],
  ['sending', sent, 'awaiting'],
  ['sending', began, 'receiving'],
  ['sending', ended, 'verifying'],
  ['awaiting', began, 'receiving'],
  ['awaiting', ended, 'verifying'],
  ['awaiting', verified, 'awaiting'],
  ['receiving', began, 'receiving'],
  ['receiving', ended, 'verifying'],
  ['verifying', verified, 'succeeded'],
  ['verifying', began, 'verifying'],
  ...Object.keys(paths).flatMap((from): [string, RequestEvent, string][] => [
    [from, cancel, 'failed'],
    [from, failed, 'failed'],
  ]),
];

test.each(table)('a request that is %s goes with %o to %s', (from, event, to) => {
  const { actor } = start();
  for (const step of paths[from]!) actor.send(step);
  actor.send(event);
  expect(actor.getSnapshot().value).toBe(to);
});

test.each(Object.keys(paths))(
  'a request that is %s ends at its time limit and says how far it was',
  (from) => {
    const { actor, clock, released } = start();
    for (const step of paths[from]!) actor.send(step);
    clock.increment(999);
    expect(actor.getSnapshot().status).toBe('active');
    clock.increment(1);
    expect(actor.getSnapshot()).toMatchObject({
      value: 'failed',
      output: { failure: 'timeout', stage: from },
    });
    expect(released()).toBe(1);
  },
);

test('the exchange is stopped once when the request ends, and events after the end change nothing', () => {
  vi.spyOn(console, 'warn').mockReturnValue();
  const { actor, released } = start();
  for (const step of [...paths['verifying']!, verified]) actor.send(step);
  actor.send(cancel);
  actor.send(failed);
  expect(actor.getSnapshot()).toMatchObject({ value: 'succeeded', output: { failure: undefined } });
  expect(released()).toBe(1);
});

test('an exchange that throws fails the request instead of the process', () => {
  const { actor } = start(() => {
    throw new Error('broken');
  });
  expect(actor.getSnapshot()).toMatchObject({
    value: 'failed',
    output: { failure: 'exchange', stage: 'dialing' },
  });
});
