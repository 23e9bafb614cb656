import { VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { Paces, PaceWatch } from './pace.ts';

/** An answer whose first chunk has two tokens, in virtual time. */
async function answer(
  { latencyMs, tookMs = 0 }: { readonly latencyMs: number; readonly tookMs?: number },
  isStreamed = true,
): Promise<PaceWatch> {
  const clock = new VirtualClock();
  const watch = new PaceWatch(clock);
  await clock.runFor(7);
  watch.sent();
  await clock.runFor(latencyMs);
  if (isStreamed) {
    watch.began();
    watch.read(2);
    await clock.runFor(tookMs);
    watch.began();
    watch.read(50);
  }
  watch.ended();
  return watch;
}

const tokens = (outboundTokens: number) => ({ outboundTokens });

describe('the pace of a peer', () => {
  test('is not known before it has answered', () => {
    expect(new Paces().of('p')).toBeUndefined();
  });

  test('is the time to the first byte, and the tokens after the first chunk by their time', async () => {
    const paces = new Paces();
    paces.note('p', await answer({ latencyMs: 120, tookMs: 2_000 }), tokens(102));
    expect(paces.of('p')).toEqual({ latencyMs: 120, tokensPerSecond: 50 });
    expect(paces.of('q')).toBeUndefined();
  });

  test('has no tokens of an answer in one piece', async () => {
    const paces = new Paces();
    paces.note('p', await answer({ latencyMs: 900 }, false), tokens(102));
    expect(paces.of('p')).toEqual({ latencyMs: 900 });
  });

  test.for([
    [7, 50],
    [8, 49],
  ] as const)('says nothing of tokens after %i of them in %i ms', async ([count, tookMs]) => {
    const paces = new Paces();
    paces.note('p', await answer({ latencyMs: 10, tookMs }), tokens(count));
    expect(paces.of('p')).toEqual({ latencyMs: 10 });
  });

  test('says something of tokens after eight of them in 50 ms', async () => {
    const paces = new Paces();
    paces.note('p', await answer({ latencyMs: 10, tookMs: 50 }), tokens(8));
    expect(paces.of('p')).toEqual({ latencyMs: 10, tokensPerSecond: 120 });
  });

  test('follows what is new: after ten answers nine tenths of it', async () => {
    const paces = new Paces();
    paces.note('p', await answer({ latencyMs: 1_000, tookMs: 1_000 }), tokens(12));
    paces.note('p', await answer({ latencyMs: 0 }), tokens(1));
    expect(paces.of('p')).toEqual({ latencyMs: 800, tokensPerSecond: 10 });
    for (let more = 0; more < 9; more++) paces.note('p', await answer({ latencyMs: 0 }), tokens(1));
    expect(paces.of('p')?.latencyMs).toBeLessThan(110);
  });

  test('has no latency when the peer answered before it had the request, and no less than nothing of tokens', async () => {
    const clock = new VirtualClock();
    const watch = new PaceWatch(clock);
    watch.began();
    watch.read(1_000);
    await clock.runFor(100);
    watch.sent();
    watch.ended();
    const paces = new Paces();
    paces.note('p', watch, tokens(10));
    expect(paces.of('p')).toEqual({ tokensPerSecond: 0 });
  });

  test('is kept of 1,024 peers: the one known longest goes first', async () => {
    const paces = new Paces();
    const watch = await answer({ latencyMs: 1 });
    for (let peer = 0; peer < 1_024; peer++) paces.note(`p${peer}`, watch, tokens(1));
    expect(paces.of('p0')).toEqual({ latencyMs: 1 });
    paces.note('one more', watch, tokens(1));
    expect([paces.of('p0'), paces.of('p1'), paces.of('one more')]).toEqual([
      undefined,
      { latencyMs: 1 },
      { latencyMs: 1 },
    ]);
  });
});
