import { sessionFrame } from '@lloom/codec';
import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { AskingSession } from '../src/askingSession.ts';
import { ServingSession } from '../src/servingSession.ts';
import { createLinks } from './sessionLinks.ts';
import {
  createAsking,
  createSessions,
  frame,
  kibibyte,
  mebibyte,
  pattern,
  turnOfPromises,
  type ServedProbe,
  type Sessions,
} from './sessionProbes.ts';

/** How sending a message ended. */
async function outcomeOf(sent: Promise<void> | undefined): Promise<string> {
  if (sent === undefined) return 'at once';
  return sent.then(
    () => 'written',
    (error: Error) => error.message,
  );
}

/** Fails unless nothing of any request is left on either side. */
function expectNothingLeft({ asking, serving, near, far }: Sessions): void {
  expect([near.thrown, far.thrown]).toEqual([[], []]);
  expect([asking.size, asking.outbox.isEmpty, serving.outbox.isEmpty]).toEqual([0, true, true]);
}

describe('requests over one session', () => {
  test('are answered, whatever their sizes, and however the bytes arrive', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = seededRandom(`exchange/${seed}`);
      const chunkBytes = [undefined, () => 1 + Math.floor(random.float() * 5_000)][seed % 2];
      const sessions = createSessions({
        ...(chunkBytes && { chunkBytes }),
        ...(seed % 3 === 0 && { capacityBytes: 20_000 }),
      });
      const sizes = Array.from({ length: 20 }, () => Math.floor(random.float() ** 4 * mebibyte));
      const asked = [];
      for (const size of [...sizes, 0, 64 * kibibyte, 256 * kibibyte, 256 * kibibyte + 1]) {
        asked.push(sessions.ask(pattern(size, asked.length)));
        if (random.float() < 0.5) await sessions.settle();
      }
      await sessions.settle();
      for (const [index, probe] of asked.entries()) {
        expect(probe.told.at(-1), `seed ${seed}`).toBe(`end ${probe.body.length}`);
        expect(Buffer.compare(probe.received, pattern(probe.body.length, index))).toBe(0);
        expect(probe.ends).toBe(1);
      }
      expectNothingLeft(sessions);
    }
  });

  test('may be large and small in the same turn: neither breaks the other', async () => {
    const sessions = createSessions();
    const asked = [100 * kibibyte, 10, 3 * mebibyte, 20].map((size) => sessions.ask(pattern(size)));
    await sessions.settle();
    expect(asked.map(({ told }) => told.at(-1))).toEqual(asked.map(({ body }) => `end ${body.length}`));
    expect(sessions.served.map(({ request }) => request!.body.length)).toEqual([
      10,
      20,
      102_400,
      3 * mebibyte,
    ]);
  });

  test('are told of in order: opened, sent, progress, answered', async () => {
    const sessions = createSessions();
    const [small, large] = [sessions.ask(pattern(10)), sessions.ask(pattern(mebibyte))];
    expect([small.told, large.told]).toEqual([['opened', 'sent'], ['opened']]);
    await sessions.settle();
    expect(small.told).toEqual(['opened', 'sent', 'end 10']);
    expect(large.told).toEqual(['opened', 'sent', 'progress', `end ${mebibyte}`]);
  });

  test('say what stands in their heads, and announce the size of a large message', async () => {
    const { ask, served, settle, near } = createSessions();
    ask(pattern(56 * kibibyte), { method: 'ping', timeoutMs: 5, metadata: { a: 'b' } });
    ask(pattern(56 * kibibyte + 1), { timeoutMs: 7 });
    await settle();
    const heads = served.map(({ request, isWhole }) => ({ ...request!.head, isWhole }));
    expect(heads).toMatchObject([
      { method: 'ping', timeoutMs: 5, metadata: { a: 'b' }, stream: false, isWhole: true },
      { method: '/echo', timeoutMs: 7, metadata: {}, sizeBytes: 56 * kibibyte + 1, isWhole: true },
    ]);
    expect(heads[0]).not.toHaveProperty('sizeBytes');
    expect(near.thrown).toEqual([]);
  });

  test('are refused with what the host says, and cost nothing', async () => {
    const sessions = createSessions({
      refuse: () => ({ type: 'error', code: 'BUSY', message: 'no room' }),
    });
    const asked = [10, mebibyte].map((size) => sessions.ask(pattern(size)));
    await sessions.settle();
    for (const { told, ends } of asked) expect([told.at(-1)?.split(' ')[0], ends]).toEqual(['error', 1]);
    expect(sessions.near.deliveredBytes).toBeLessThan(260 * kibibyte);
    expect(sessions.served).toEqual([]);
    expectNothingLeft(sessions);
  });
});

describe('an answer in many messages', () => {
  /** Sends so many messages, each as soon as it may. */
  async function stream({ exchange }: ServedProbe, messages: Iterable<Uint8Array>): Promise<void> {
    for (const message of messages) await exchange.send('chunk', message);
    await exchange.send('end', new Uint8Array(0));
    void exchange.finish(false);
  }

  test('keeps their order, and waits for its reader', async () => {
    const random = seededRandom('messages');
    const messages = Array.from({ length: 300 }, (_, index) =>
      pattern(1 + Math.floor(random.float() ** 3 * 60_000), index),
    );
    const sessions = createSessions({ onRequest: (probe) => void stream(probe, messages) });
    const asked = sessions.ask(pattern(10));
    await sessions.settle();
    const total = messages.reduce((sum, { length }) => sum + length, 0);
    expect(asked.received.length).toBeLessThanOrEqual(256 * kibibyte);
    for (let read = 0; asked.ends === 0; await sessions.settle()) {
      const before = asked.received.length;
      const upTo = Math.min(asked.messages.length, read + 5);
      for (; read < upTo; read++) asked.sent!.taken(asked.messages[read]!.length);
      const readBytes = asked.messages.slice(0, read).reduce((sum, { length }) => sum + length, 0);
      expect(before - readBytes).toBeLessThanOrEqual(mebibyte);
    }
    expect(asked.received.length).toBe(total);
    expect(Buffer.compare(asked.received, Buffer.concat(messages))).toBe(0);
    expectNothingLeft(sessions);
  });

  test('asks for no more when it has ended', async () => {
    const { ask, say, frames, near } = createAsking();
    const asked = ask(pattern(10));
    near.turn();
    const chunks = Array.from({ length: 4 }, () => frame('body', 1, pattern(60_000)));
    say(...chunks, frame('end', 1));
    for (const { length } of asked.messages) asked.sent!.taken(length);
    near.turn();
    near.deliver();
    expect(frames().map(({ kind }) => kind)).toEqual([sessionFrame.open]);
  });

  test('with an empty chunk is given up at once, whatever else the session carries', () => {
    const { ask, say, near, frames, state } = createAsking();
    const [asked, other, pieces] = [ask(pattern(10)), ask(pattern(10)), ask(pattern(10))];
    near.turn();
    say(frame('body', 1, pattern(3)), frame('body', 1), frame('body', 1), frame('end', 1));
    expect([asked.ends, asked.wasSent, asked.messages]).toEqual([1, true, [pattern(3)]]);
    expect((asked.error as Error).message).toContain('an empty message');
    say(frame('body+', 3), frame('body', 3));
    expect((pieces.error as Error).message).toContain('an empty message');
    // An end may be empty: there is one only.
    say(frame('end', 2));
    expect([other.ends, state().closedBy]).toEqual([1, undefined]);
    near.turn();
    near.deliver();
    const cancelled = frames().filter(({ kind }) => kind === sessionFrame.cancel);
    expect(cancelled.map(({ id }) => id)).toEqual([1, 3]);
  });
});

describe('a request that is given up', () => {
  test('is told to the peer, once, and nothing is told of it any more', async () => {
    const probes: ServedProbe[] = [];
    const sessions = createSessions({ onRequest: (probe) => probes.push(probe) });
    const asked = sessions.ask(pattern(10));
    await sessions.settle();
    asked.sent!.cancel();
    asked.sent!.cancel();
    await sessions.settle();
    probes[0]!.answer(pattern(10));
    await sessions.settle();
    expect([probes[0]!.told, asked.told]).toEqual([
      ['received', 'gone'],
      ['opened', 'sent'],
    ]);
    expectNothingLeft(sessions);
  });

  test('in the middle of its message leaves no half of it at the peer', async () => {
    const sessions = createSessions({ capacityBytes: 1 });
    const asked = sessions.ask(pattern(mebibyte));
    sessions.near.turn();
    sessions.near.deliver(100 * kibibyte);
    asked.sent!.cancel();
    await sessions.settle();
    expect([sessions.served[0]!.told, asked.told]).toEqual([['gone'], ['opened']]);
    expect(sessions.near.deliveredBytes).toBeLessThan(300 * kibibyte);
    expectNothingLeft(sessions);
  });

  test('before anything of it was written is not mentioned', async () => {
    const sessions = createSessions();
    const asked = sessions.ask(pattern(mebibyte));
    asked.sent!.cancel();
    const other = sessions.ask(pattern(10));
    await sessions.settle();
    expect([sessions.served.length, asked.told, other.told.at(-1)]).toEqual([1, ['opened'], 'end 10']);
    expectNothingLeft(sessions);
  });

  test('while its answer waits for credit ends the answer', async () => {
    let written: Promise<string>[] = [];
    const sessions = createSessions({
      onRequest: ({ exchange }) => {
        const sent = Array.from({ length: 7 }, () => exchange.send('chunk', pattern(60_000)));
        written = sent.map((each) => outcomeOf(each));
      },
    });
    const asked = sessions.ask(pattern(10));
    await sessions.settle();
    asked.sent!.cancel();
    await sessions.settle();
    // What waits is dropped; that the client is gone is told once, by another way.
    expect(await Promise.all(written)).toEqual([...Array(4).fill('at once'), ...Array(3).fill('written')]);
    expectNothingLeft(sessions);
  });
});

describe('a session that ends', () => {
  test('tells each request whether anything of it was sent', async () => {
    const sessions = createSessions({ capacityBytes: 100_000, onRequest: () => undefined });
    const begun = [sessions.ask(pattern(10)), sessions.ask(pattern(mebibyte))];
    sessions.near.turn();
    const waiting = [sessions.ask(pattern(10)), sessions.ask(pattern(mebibyte))];
    sessions.near.turn();
    sessions.near.cut();
    const late = sessions.ask(pattern(10));
    await turnOfPromises();
    expect([...begun, ...waiting, late].map(({ wasSent }) => wasSent)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    for (const { ends, told } of [...begun, ...waiting, late])
      expect([ends, told.at(-1)]).toEqual([1, 'lost']);
    expect(sessions.ended).toEqual({ asking: 1, serving: 1 });
    for (const { told } of sessions.served) expect(told.at(-1)).toBe('gone');
    expectNothingLeft(sessions);
  });

  test('properly, from either side, is over for both', async () => {
    for (const side of ['asking', 'serving'] as const) {
      const sessions = createSessions({ onRequest: () => undefined });
      const asked = sessions.ask(pattern(10));
      await sessions.settle();
      void sessions[side].close();
      await sessions.settle();
      expect(sessions.ended).toEqual({ asking: 1, serving: 1 });
      expect([asked.told.at(-1), sessions.served[0]!.told.at(-1)]).toEqual(['lost', 'gone']);
      expectNothingLeft(sessions);
    }
  });

  test('before it begins says so, and takes nothing', async () => {
    const { near, far } = createLinks();
    near.cut();
    const ended: unknown[] = [];
    const asking = new AskingSession(near, { maxAnswerBytes: 10, onEnd: (session) => ended.push(session) });
    const none = undefined!;
    const host = { maxRequestBytes: 10, unverified: none, bytesLeft: () => none, accept: () => none };
    const serving = new ServingSession(far, { peerId: 'p', host, onEnd: (session) => ended.push(session) });
    expect(ended).toEqual([asking, serving]);
    expect([asking.isOpen, serving.isClosed, near.thrown, far.thrown]).toEqual([false, true, [], []]);
  });

  test('because its numbers are used up takes no more requests, answers those it has, and closes', async () => {
    const sessions = createSessions({ maxRequests: 3 });
    const first = [sessions.ask(pattern(10)), sessions.ask(pattern(mebibyte))];
    expect([sessions.asking.isOpen, sessions.ended.asking]).toEqual([true, 0]);
    const last = sessions.ask(pattern(20));
    expect([sessions.asking.isOpen, sessions.ended.asking]).toEqual([false, 1]);
    const late = sessions.ask(pattern(10));
    expect([late.told, late.wasSent]).toEqual([['opened', 'lost'], false]);
    await sessions.settle();
    expect([...first, last].map(({ told }) => told.at(-1))).toEqual(['end 10', `end ${mebibyte}`, 'end 20']);
    expect(sessions.near.closedBy).toBeDefined();
    expect(sessions.ended).toEqual({ asking: 1, serving: 1 });
    expectNothingLeft(sessions);
  });

  test('because its numbers are used up tells the peer of a last request that is given up', async () => {
    const sessions = createSessions({ maxRequests: 1, onRequest: () => undefined });
    const asked = sessions.ask(pattern(10));
    await sessions.settle();
    asked.sent!.cancel();
    await sessions.settle();
    expect(sessions.served[0]!.told).toEqual(['received', 'gone']);
    expect(sessions.ended).toEqual({ asking: 1, serving: 1 });
  });
});

test('credit is granted for what is worth it: a 10 MiB message takes a hundred frames', async () => {
  const sessions = createSessions();
  const asked = sessions.ask(pattern(10 * mebibyte));
  await sessions.settle();
  expect(asked.told.at(-1)).toBe(`end ${10 * mebibyte}`);
  // Each side was granted something of eight bytes and four, and the rest of what it was sent is the message.
  const messages = 10 * mebibyte + 8 * 161;
  expect(sessions.far.deliveredBytes - messages).toBeLessThan(110 * 12);
});
