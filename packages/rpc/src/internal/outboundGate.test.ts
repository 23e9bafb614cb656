import { seededRandom, VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import type { RateLimit } from '../types.ts';
import { OutboundGate } from './outboundGate.ts';

const ping = { ping: { requests: 2, perMs: 1_000 } };

function gateOf(maxPerPeer: number, rateLimits: Readonly<Record<string, RateLimit>> = {}) {
  const clock = new VirtualClock();
  const gate = new OutboundGate({ maxPerPeer, rateLimits }, clock);
  /** Who has been let in, in order. */
  const entered: string[] = [];
  const enter = (
    name: string,
    { peerId = 'a', method = 'ping', signal = new AbortController().signal } = {},
  ) => gate.enter(peerId, method, signal).then(() => void entered.push(name));
  const turn = (): Promise<void> => clock.runFor(0);
  return { clock, gate, entered, enter, turn };
}

/** What a promise was rejected with. */
const failure = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe('places with a peer', () => {
  test('are given at once while there are any, to each peer as many', () => {
    const { gate } = gateOf(2);
    const tries = ['a', 'a', 'a', 'b'].map((peerId) => gate.tryEnter(peerId, 'ping'));
    expect(tries).toEqual([true, true, false, true]);
    gate.leave('a');
    expect([gate.tryEnter('a', 'ping'), gate.tryEnter('a', 'ping')]).toEqual([true, false]);
  });

  test('are given in the order in which they were asked for', async () => {
    const { gate, entered, enter, turn } = gateOf(1);
    for (const name of ['one', 'two', 'three']) void enter(name);
    await turn();
    expect(entered).toEqual(['one']);
    gate.leave('a');
    await turn();
    expect(entered).toEqual(['one', 'two']);
    gate.leave('a');
    await turn();
    expect(entered).toEqual(['one', 'two', 'three']);
  });

  test('are not taken by whoever comes while others wait', async () => {
    const { gate, entered, enter, turn } = gateOf(1);
    void enter('one');
    void enter('two');
    expect(gate.tryEnter('a', 'ping')).toBe(false);
    gate.leave('a');
    expect(gate.tryEnter('a', 'ping')).toBe(false);
    await turn();
    expect(entered).toEqual(['one', 'two']);
  });

  test('are not taken by whoever gives up, before or in the turn in which there is one', async () => {
    const { gate, enter, entered, turn } = gateOf(1);
    const controller = new AbortController();
    void enter('one');
    const gone = new Error('gone');
    const two = failure(enter('two', { signal: controller.signal }));
    const three = failure(enter('three', { signal: controller.signal }));
    void enter('four');
    await turn();
    controller.abort(gone);
    gate.leave('a');
    expect(await Promise.all([two, three])).toEqual([gone, gone]);
    await turn();
    expect(entered).toEqual(['one', 'four']);
    gate.leave('a');
    expect(gate.tryEnter('a', 'ping')).toBe(true);
  });
});

describe('a rate of this node', () => {
  test('lets a burst through, and then one by one, without anybody asking', async () => {
    const { clock, entered, enter } = gateOf(100, ping);
    for (const name of ['one', 'two', 'three', 'four', 'five']) void enter(name);
    await clock.runFor(499);
    expect(entered).toEqual(['one', 'two']);
    await clock.runFor(1);
    expect(entered).toEqual(['one', 'two', 'three']);
    await clock.runFor(1_000);
    expect(entered).toEqual(['one', 'two', 'three', 'four', 'five']);
    expect(clock.pending).toBe(0);
  });

  test('keeps no other method and no other peer waiting', async () => {
    const { gate, entered, enter, turn } = gateOf(100, { ping: { requests: 1, perMs: 60_000 } });
    void enter('one');
    void enter('two');
    void enter('three', { method: 'llmRequest' });
    void enter('four', { peerId: 'b' });
    await turn();
    expect(entered.toSorted()).toEqual(['four', 'one', 'three']);
    gate.stop();
  });

  test('counts nothing for who gives up, and leaves no timer behind', async () => {
    const { clock, gate, entered, enter, turn } = gateOf(100, ping);
    const controller = new AbortController();
    void enter('one');
    void enter('two');
    await turn();
    gate.leave('a');
    gate.leave('a');
    const gone = new Error('gone');
    const given = failure(enter('three', { signal: controller.signal }));
    controller.abort(gone);
    expect(await given).toBe(gone);
    expect(clock.pending).toBe(0);
    void enter('four');
    await clock.runFor(500);
    expect(entered).toEqual(['one', 'two', 'four']);
  });
});

describe('a peer that has said to wait', () => {
  test('is asked nothing of that method until then, and all that waits comes then', async () => {
    const { clock, gate, entered, enter } = gateOf(100);
    gate.hold('a', 'ping', 3_000);
    expect([gate.tryEnter('a', 'ping'), gate.tryEnter('b', 'ping'), gate.tryEnter('a', 'other')]).toEqual([
      false,
      true,
      true,
    ]);
    void enter('one');
    void enter('two');
    await clock.runFor(2_999);
    expect(entered).toEqual([]);
    await clock.runFor(1);
    expect(entered).toEqual(['one', 'two']);
    expect(gate.tryEnter('a', 'ping')).toBe(true);
  });

  test('and says so again while others wait is waited for as long as it says last', async () => {
    const { clock, gate, entered, enter } = gateOf(100);
    gate.hold('a', 'ping', 1_000);
    void enter('one');
    await clock.runFor(900);
    gate.hold('a', 'ping', 5_000);
    await clock.runFor(4_999);
    expect(entered).toEqual([]);
    await clock.runFor(1);
    expect(entered).toEqual(['one']);
  });
});

test('never are more under way than there are places, and nobody is forgotten, at random', async () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = seededRandom(`gate/${seed}`);
    const upTo = (limit: number): number => Math.floor(random.float() * limit);
    const max = 1 + upTo(3);
    const { clock, gate } = gateOf(max, upTo(2) === 0 ? ping : {});
    let [underWay, most, ended] = [0, 0, 0];
    const ask = async (method: string, signal: AbortSignal): Promise<void> => {
      const isIn = await gate.enter('a', method, signal).then(
        () => true,
        () => false,
      );
      if (isIn) {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => void clock.setTimeout(resolve, upTo(300)));
        underWay--;
        gate.leave('a');
      }
      ended++;
    };
    for (let count = 0; count < 60; count++) {
      const controller = new AbortController();
      const method = upTo(3) === 0 ? 'llmRequest' : 'ping';
      clock.setTimeout(() => {
        if (upTo(4) === 0) clock.setTimeout(() => controller.abort(new Error('gone')), upTo(2_000));
        if (upTo(10) === 0) gate.hold('a', method, upTo(500));
        void ask(method, controller.signal);
      }, upTo(5_000));
    }
    await clock.runFor(120_000);
    expect([ended, underWay, clock.pending], `seed ${seed}`).toEqual([60, 0, 0]);
    expect(most, `seed ${seed}`).toBeLessThanOrEqual(max);
    expect(gate.tryEnter('a', 'ping')).toBe(true);
  }
});
