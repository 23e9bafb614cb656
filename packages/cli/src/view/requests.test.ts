import type { NodeState } from '@lloom/behaviour';
import type { LiveActor } from '@lloom/inspector';
import { describe, expect, test } from 'vitest';
import { requestsOf } from './requests.ts';
import { Samples, type Figures } from './samples.ts';

const epoch = 1_000_000;

const actor = (key: number, given: Partial<LiveActor>): LiveActor => ({
  ...{
    key,
    id: 'r1',
    machine: 'inbound',
    status: 'active',
    states: [],
    startedMs: key,
    steps: 0,
    lastSteps: [],
  },
  ...given,
});

type Pending = NodeState['rpc']['pending'][number];
const pending = (requestId: string): Pending =>
  ({
    ...{
      requestId,
      peerId: 'bob',
      method: 'llmRequest',
      startedAt: epoch + 5,
      deadlineAt: epoch + 99,
      attempt: 2,
    },
  }) as Pending;

describe('requests', () => {
  test('are told by what the node and their machines say of them', () => {
    const labels = { request: 'r1', peer: 'bob', method: 'llmRequest' };
    const actors = [
      actor(0, { id: 'r1 with retries', machine: 'retry', labels }),
      actor(1, { machine: 'request', labels }),
      actor(2, { id: 'r7', labels: { request: 'r7', peer: 'eve' } }),
      actor(3, { id: 'r7', machine: 'execution' }),
      actor(4, { id: 'bob', machine: 'peer' }),
    ];
    const { shown, leftOut } = requestsOf({ pending: [pending('r1'), pending('r2')], actors, epoch });
    const known = {
      peerId: 'bob',
      method: 'llmRequest',
      startedAt: epoch + 5,
      deadlineAt: epoch + 99,
      attempt: 2,
    };
    expect(shown).toEqual([
      { requestId: 'r1', direction: 'out', ...known, actors: [0, 1] },
      { requestId: 'r2', direction: 'out', ...known, actors: [] },
      { requestId: 'r7', direction: 'in', peerId: 'eve', startedAt: epoch + 2, actors: [2, 3] },
    ]);
    expect(leftOut).toBe(0);
  });

  test('that are over stay, and say what their machines knew', () => {
    const ended = { status: 'done', labels: { request: 'r1', peer: 'bob', method: 'ping' } } as const;
    const actors = [1, 2, 3].map((key) => actor(key, { ...ended, machine: 'request' }));
    expect(requestsOf({ pending: [], actors, epoch }).shown).toEqual([
      {
        ...{ requestId: 'r1', direction: 'out', peerId: 'bob', method: 'ping' },
        ...{ startedAt: epoch + 1, attempt: 3, actors: [1, 2, 3] },
      },
    ]);
  });

  test('with the same id are two when others ask and are asked', () => {
    const actors = [actor(1, {}), actor(2, { machine: 'request' })];
    const { shown } = requestsOf({ pending: [], actors, epoch });
    expect(shown.map(({ direction, actors: keys }) => [direction, keys])).toEqual([
      ['out', [2]],
      ['in', [1]],
    ]);
  });

  test('tell their machines in one order, whichever ends first', () => {
    const said = { labels: { request: 'r1' } };
    const inbound = actor(1, { ...said, status: 'done' });
    const execution = actor(2, { ...said, machine: 'execution' });
    const retry = actor(4, { ...said, machine: 'retry' });
    const attempts = [3, 5].map((key) => actor(key, { ...said, machine: 'request', status: 'done' }));
    const actors = [execution, ...attempts, retry, inbound];
    const { shown } = requestsOf({ pending: [], actors, epoch });
    expect(shown.map((each) => each.actors)).toEqual([
      [4, 3, 5],
      [1, 2],
    ]);
  });

  test('are 200 at most: those that are over, and began first, are left out first', () => {
    const actors = Array.from({ length: 300 }, (_, key) =>
      actor(key, { id: `r${key}`, status: key < 10 ? 'active' : 'done' }),
    );
    const { shown, leftOut } = requestsOf({ pending: [], actors, epoch });
    expect([shown.length, leftOut]).toEqual([200, 100]);
    const ids = shown.map(({ requestId }) => requestId);
    expect(ids.slice(0, 11)).toEqual(['r9', 'r8', 'r7', 'r6', 'r5', 'r4', 'r3', 'r2', 'r1', 'r0', 'r299']);
  });
});

describe('samples', () => {
  const figures = (count: number): Figures => ({
    ...{ connectedPeers: 3, activeRequests: 4, messagesSent: count, messagesReceived: 2 * count },
    ...{
      bandwidthInKbps: 0,
      bandwidthOutKbps: 0,
      bandwidthInBytesPerSecond: 0,
      bandwidthOutBytesPerSecond: 0,
    },
    ...{ bytesIn: 100 * count, bytesOut: 200 * count },
  });

  test('are rates since the one before, whenever that was taken', () => {
    const samples = new Samples();
    samples.add(figures(0), { at: 1, elapsedMs: 0 });
    expect(samples.all).toEqual([]);
    samples.add(figures(10), { at: 2_001, elapsedMs: 2_000 });
    // A clock that stands still, and counts that do.
    samples.add(figures(10), { at: 2_001, elapsedMs: 2_000 });
    const level = { activeRequests: 4, connectedPeers: 3 };
    expect(samples.all).toEqual([
      {
        ...{
          at: 2_001,
          bytesInPerSecond: 500,
          bytesOutPerSecond: 1_000,
          sentPerSecond: 5,
          receivedPerSecond: 10,
        },
        ...level,
      },
      {
        ...{ at: 2_001, bytesInPerSecond: 0, bytesOutPerSecond: 0, sentPerSecond: 0, receivedPerSecond: 0 },
        ...level,
      },
    ]);
  });

  test('are kept for two minutes', () => {
    const samples = new Samples();
    for (let at = 0; at <= 300; at += 1) samples.add(figures(at), { at, elapsedMs: at * 1_000 });
    expect(samples.all.length).toBe(120);
    expect(samples.all.at(-1)?.at).toBe(300);
  });
});
