import { CodecError, encodeCredit, encodeOpenHead, joinOpen } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { Budget } from '../src/internal/budget.ts';
import {
  createAsking,
  createServing,
  createSessions,
  frame,
  kibibyte,
  mebibyte,
  pattern,
  type Sessions,
  type SessionsConfig,
} from './sessionProbes.ts';

const nothing = new Uint8Array(0);
const largest = 64 * kibibyte;
const creditBytes = 256 * kibibyte;

/** An open frame: a head, and a piece of the message. */
function open(
  id: number,
  { size = 10, more = false, sizeBytes }: { size?: number; more?: boolean; sizeBytes?: number } = {},
): Uint8Array {
  const head = {
    method: '/echo',
    stream: false,
    metadata: {},
    timeoutMs: 1_000,
    ...(sizeBytes && { sizeBytes }),
  };
  return frame(more ? 'open+' : 'open', id, joinOpen(encodeOpenHead(head), pattern(size)));
}

const full = (kind: 'body+' | 'end', id: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, () => frame(kind, id, pattern(largest)));

describe('a peer that answers breaks the session when it says', () => {
  test.each<[string, Uint8Array[]]>([
    ['the end of a request that is not made yet', [frame('end', 3)]],
    ['credit for a request that is not made yet', [frame('credit', 9, encodeCredit(1))]],
    ['a request of its own', [open(1)]],
    ['a cancel', [frame('cancel', 1)]],
    ['no credit at all', [frame('credit', 1, new Uint8Array(4))]],
    [
      'more than it was granted',
      [...Array.from({ length: 4 }, () => frame('body', 1, pattern(largest))), frame('body', 1, pattern(1))],
    ],
    ['what is no frame', [pattern(8).fill(0)]],
    ['a length beyond the limit', [Uint8Array.of(1, 0, 1, 2, 0, 0, 0, 1)]],
  ])('%s', (_, said) => {
    const { ask, near, say, state } = createAsking();
    const asked = [ask(pattern(10)), ask(pattern(mebibyte))];
    near.turn();
    say(...said);
    expect(near.thrown).toEqual([]);
    expect(near.closedBy).toBeDefined();
    expect(state()).toMatchObject({ ends: 1 });
    for (const { ends, wasSent, told } of asked)
      expect([ends, wasSent, told.at(-1)]).toEqual([1, true, 'lost']);
    const late = ask(pattern(10));
    expect([late.ends, late.wasSent]).toEqual([1, false]);
  });
});

describe('a peer that answers harms nobody when it says', () => {
  test.each<[string, Uint8Array[]]>([
    ['a second end', [frame('end', 1), frame('end', 1, pattern(9))]],
    ['more of an answer that has ended', [frame('end', 1), frame('body', 1, pattern(9))]],
    ['an error behind the end', [frame('end', 1), frame('error', 1, pattern(9))]],
    ['credit behind the end, and be it none', [frame('end', 1), frame('credit', 1, new Uint8Array(4))]],
    ['more than was granted of an answer that has ended', [frame('end', 1), ...full('body+', 1, 9)]],
    ['a kind of frame that is not known here', [Uint8Array.of(0, 0, 1, 77, 0, 0, 0, 1, 5), frame('end', 1)]],
    [
      'credit beyond all counting',
      [...Array.from({ length: 20 }, () => frame('credit', 1, encodeCredit(2 ** 32 - 1))), frame('end', 1)],
    ],
  ])('%s', (_, said) => {
    const { ask, near, say, state } = createAsking();
    const [first, second] = [ask(pattern(10)), ask(pattern(mebibyte))];
    near.turn();
    say(...said);
    expect([first.ends, first.told.at(-1), second.ends]).toEqual([1, 'end 0', 0]);
    say(frame('end', 2, pattern(5)));
    expect([second.ends, state().ends, near.closedBy, near.thrown]).toEqual([1, 0, undefined, []]);
  });

  test('more than an answer may have: that request fails as too large and is called off', () => {
    const { ask, near, say, frames } = createAsking({ maxAnswerBytes: 200_000 });
    const [first, second] = [ask(pattern(10)), ask(pattern(10))];
    near.turn();
    say(...full('body+', 1, 3), frame('end', 1, pattern(largest)), frame('end', 2));
    expect([first.ends, first.wasSent, CodecError.is(first.error, 'TOO_LARGE')]).toEqual([1, true, true]);
    expect([second.ends, second.told.at(-1)]).toEqual([1, 'end 0']);
    near.turn();
    near.deliver();
    expect(frames().filter(({ kind }) => kind === 4)).toMatchObject([{ id: 1 }]);
  });
});

/** A serving session whose client, the test, has said something. */
async function serve(config: SessionsConfig, ...said: readonly Uint8Array[]) {
  const serving = createServing(config);
  await serving.say(...said);
  return serving;
}

/** What became of the requests of a session. */
const fates = ({ served }: Pick<Sessions, 'served'>): string[] => served.map(({ told }) => told.join(' '));

describe('a client breaks the session when it says', () => {
  test.each<[string, Uint8Array[], string[]]>([
    ['the same number twice', [open(1), open(1)], ['received gone']],
    ['a number that falls', [open(5), open(4)], ['received gone']],
    ['a piece of a request that is not made yet', [open(1), frame('body+', 2, nothing)], ['received gone']],
    ['an error', [open(1), frame('error', 1)], ['received gone']],
    ['an open without the length of its head', [open(1), frame('open', 2, pattern(1))], ['received gone']],
    ['a head beyond its frame', [open(1), frame('open', 2, Uint8Array.of(0, 9, 1))], ['received gone']],
    [
      'a head beyond 8 KiB',
      [open(1), frame('open', 2, Uint8Array.of(0x20, 1, ...pattern(8_193)))],
      ['received gone'],
    ],
    ['no credit at all', [open(1), frame('credit', 1, new Uint8Array(4))], ['received gone']],
    ['a request in two messages', [open(1, { more: true }), frame('body', 1, pattern(5))], ['gone']],
  ])('%s', async (_, said, expected) => {
    const sessions = await serve({ onRequest: () => undefined }, Buffer.concat(said));
    expect([sessions.far.thrown, sessions.ended.serving]).toEqual([[], 1]);
    expect(fates(sessions)).toEqual(expected);
    expect(sessions.serving.isClosed).toBe(true);
  });
});

describe('a client harms nobody but itself when it says', () => {
  test.each<[string, Uint8Array[], string]>([
    ['a head that cannot be read', [frame('open', 1, Uint8Array.of(0, 2, 0xff, 0xff))], 'refused'],
    ['a head without a method', [frame('open', 1, Uint8Array.of(0, 0, 1, 2, 3))], 'refused'],
    ['a request that is larger than allowed', [open(1, { more: true, sizeBytes: 11 * mebibyte })], 'refused'],
    ['another size than it announced', [open(1, { sizeBytes: 9 })], 'refused'],
    ['more of a request that is whole', [open(1), frame('body', 1, nothing), frame('end', 1)], 'received'],
    ['a cancel, twice', [open(1), frame('cancel', 1), frame('cancel', 1)], 'received gone'],
    [
      'more of a request that it cancelled',
      [open(1, { more: true }), frame('cancel', 1), frame('end', 1)],
      'gone',
    ],
    [
      'credit for what was cancelled',
      [open(1), frame('cancel', 1), frame('credit', 1, encodeCredit(5))],
      'received gone',
    ],
    [
      'a request in empty pieces',
      [open(1, { more: true }), ...Array.from({ length: 99 }, () => frame('body+', 1, nothing))],
      '',
    ],
  ])('%s', async (_, said, expected) => {
    const sessions = await serve({ onRequest: () => undefined }, ...said, open(2));
    expect([sessions.far.thrown, sessions.ended.serving]).toEqual([[], 0]);
    expect(fates(sessions)).toEqual([expected, 'received']);
  });

  test('a request that grows beyond the limit without saying so: it is refused on the way', async () => {
    const sessions = await serve({ maxRequestBytes: 300_000 }, open(1, { more: true, size: 0 }));
    for (let count = 0; count < 5; count++) await sessions.say(frame('body+', 1, pattern(largest)));
    expect(sessions.served[0]!.refused).toMatchObject({ code: 'TOO_LARGE', data: { limitBytes: 300_000 } });
    await sessions.say(frame('end', 1), open(2));
    expect(fates(sessions)).toEqual(['refused', 'received']);
  });
});

describe('bytes of requests that are not whole', () => {
  const budgetBytes = 3 * largest;

  test('are counted, all sessions together, and what is beyond the budget is refused as busy', async () => {
    const sessions = await serve(
      { budgetBytes },
      ...[1, 2, 3, 4].map((id) => open(id, { more: true, size: 60_000 })),
    );
    expect(fates(sessions)).toEqual(['', '', '', 'refused']);
    expect(sessions.served[3]!.refused).toMatchObject({ code: 'BUSY' });
    await sessions.say(frame('end', 1, nothing), open(5, { more: true, size: 60_000 }));
    expect(fates(sessions)).toEqual(['received', '', '', 'refused', '']);
  });

  test.each<[string, Uint8Array[]]>([
    ['is whole', [frame('end', 1)]],
    ['is cancelled', [frame('cancel', 1)]],
    ['is not of the size that was announced', [frame('end', 1, pattern(1))]],
    ['is broken off with its session', [frame('error', 1)]],
    ['is larger than allowed', full('body+', 1, 170)],
  ])('are free again when the request %s', async (_, said) => {
    const budget = new Budget(20 * mebibyte);
    const sessions = await serve({ budget }, open(1, { more: true, size: 0, sizeBytes: 60_000 }));
    await sessions.say(frame('body+', 1, pattern(60_000)));
    expect(() => budget.take(20 * mebibyte)).toThrow('too many large requests');
    await sessions.say(Buffer.concat(said));
    expect(() => budget.take(20 * mebibyte)).not.toThrow();
  });
});

describe('a client that never reads', () => {
  test('and asks without end is not listened to any more: nothing grows', async () => {
    const sessions = createServing({
      capacityBytes: 100_000,
      refuse: () => ({ type: 'error', code: 'BUSY', message: 'no room', retryAfterMs: 1_000 }),
    });
    const { near, far } = sessions;
    let id = 0;
    for (let time = 0; time < 1_000; time++) {
      near.write([Buffer.concat(Array.from({ length: 100 }, () => open(++id)))]);
      near.deliver();
      far.turn();
    }
    expect(far.isPaused).toBe(true);
    expect(far.queuedBytes).toBeLessThan(100_000 + 300 * kibibyte);
    expect(near.queuedBytes).toBeGreaterThan(mebibyte);
    await sessions.settle();
    expect([far.isPaused, near.queuedBytes, far.queuedBytes]).toEqual([false, 0, 0]);
    expect(near.thrown).toEqual([]);
  });

  test('stops what answers it at its credit, and others are answered meanwhile', async () => {
    let sentBytes = 0;
    const stream = async (exchange: Sessions['served'][0]['exchange']): Promise<void> => {
      for (; sentBytes < 10 * mebibyte; sentBytes += 10_000) await exchange.send('chunk', pattern(10_000));
    };
    const sessions = createSessions({
      onRequest: (probe) => {
        if (probe.request!.method === '/stream') void stream(probe.exchange).catch(() => undefined);
        else probe.answer(pattern(20));
      },
    });
    const slow = sessions.ask(pattern(10), { method: '/stream' });
    await sessions.settle();
    expect([sentBytes <= creditBytes, slow.ends]).toEqual([true, 0]);
    const other = sessions.ask(pattern(10));
    await sessions.settle();
    expect([other.told.at(-1), sentBytes <= creditBytes]).toEqual(['end 20', true]);
    sessions.near.cut();
    await sessions.settle();
    expect([slow.ends, sessions.serving.outbox.isEmpty]).toEqual([1, true]);
  });
});
