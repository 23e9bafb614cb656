import { describe, expect, test } from 'vitest';
import type { Answer } from '@lloom/behaviour';
import { isOverbilled } from './bill.ts';
import { Ledger } from './ledger.ts';
import { Sampler, type Look } from './sampler.ts';
import { curveOf, evenly, percentileOf, spreadOf } from './spread.ts';

describe('a bill', () => {
  const executor = '0x00000000000000000000000000000000000000aa';
  const answerOf = (totalCost: string, tokens = 3): Answer =>
    ({
      shares: [{ peerId: 'e', executor, tokens, unsignedTokens: 0, totalCost }],
      parts: [1, 2, 3].map((outboundTokens, index) => ({
        ...{ executor, text: 'a ', tokens: 1 },
        signed: { signer: executor.toUpperCase(), payload: { index, inboundTokens: 4, outboundTokens } },
      })),
      outboundTokens: 3,
      totalCost,
    }) as unknown as Answer;
  const price = { inboundPrice: '1', outboundPrice: '2' };

  test.each([
    ['what its tokens cost', answerOf('10'), [price], false],
    ['less than that', answerOf('9'), [price], false],
    ['more than that', answerOf('11'), [price], true],
    [
      'what was asked for meanwhile',
      answerOf('20'),
      [price, { inboundPrice: '2', outboundPrice: '4' }],
      false,
    ],
    ['more tokens than there were', answerOf('10', 2), [price], true],
    ['whatever, by somebody who offers nothing', answerOf('1'), [], true],
  ])('of %s', (...[, answer, prices, isMore]) => {
    expect(isOverbilled(answer, { questionTokens: 4, pricesOf: () => prices })).toBe(isMore);
  });

  test('may not count words of the question that were never asked', () => {
    expect(isOverbilled(answerOf('10'), { questionTokens: 0, pricesOf: () => [price] })).toBe(true);
  });
});

describe('a ledger', () => {
  test('counts each end once, and tells those that end again', () => {
    let nowMs = 0;
    const ledger = new Ledger(() => nowMs);
    const [one, two] = [ledger.ask('a'), ledger.ask('b')];
    ledger.ask('b');
    nowMs = 100;
    ledger.begin(one);
    nowMs = 200;
    ledger.answer(one, {
      answer: { totalCost: '7' },
      shares: [{ executor: 'e0', tokens: 2, cost: 7n }],
      isOverbilled: true,
    });
    ledger.fail(one, 'LATE');
    ledger.fail(two, 'BUSY');
    expect(ledger.metrics()).toMatchObject({
      ...{ asked: 3, pending: 1, answered: 1, failed: 1, failures: { BUSY: 1 } },
      ...{ overbilled: 1, spent: '7', latencyMs: { count: 1, p50: 200 }, firstTokenMs: { max: 100 } },
    });
    expect(ledger.endedTwice({})).toEqual({ value: 1, count: 3 });
    expect(ledger.pending({ load: 'b' })).toEqual({ value: 1, count: 2 });
    expect(ledger.failed({ load: 'b' })).toEqual({ value: 1, count: 1 });
    expect(ledger.overbilled({})).toEqual({ value: 1, count: 1 });
    expect(ledger.answersShare({}, new Set(['e1']))).toEqual({ value: 0, count: 1 });
    expect(ledger.paidPerToken({}, new Set(['e0']))).toEqual({ value: 3.5, count: 2 });
    expect(Array.from(ledger.recent)).toEqual([200]);
    ledger.forgetRecent();
    expect(ledger.recent).toHaveLength(0);
    expect(ledger.shown()).toMatchObject({
      leftOut: 0,
      requests: [{ outcome: 'answered' }, { outcome: 'BUSY' }],
    });
  });

  test('tells executions that are done again from those that go on', () => {
    const ledger = new Ledger(() => 0);
    const execution = { executor: 'e0', client: '0xaa', idempotencyKey: 'k', prefixTokens: 0 };
    for (const each of [
      execution,
      { ...execution, executor: 'e1' },
      { ...execution, client: '0xbb' },
      { ...execution, prefixTokens: 3 },
      execution,
    ]) {
      ledger.execute(each);
    }
    expect(ledger.duplicateExecutions()).toEqual({ value: 1, count: 5 });
  });
});

describe('spreads and curves', () => {
  const rising = Array.from({ length: 1_000 }, (_, place) => place + 1);

  test('of nothing are 0', () => {
    expect(spreadOf([])).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, max: 0 });
    expect(curveOf([])).toEqual([]);
  });

  test('name the value that so many do not exceed', () => {
    expect(spreadOf(rising)).toEqual({ count: 1_000, p50: 500, p90: 900, p99: 990, max: 1_000 });
    expect([percentileOf([7], 1), percentileOf([7, 9], 50), percentileOf([7, 9], 51)]).toEqual([7, 7, 9]);
  });

  test('have at most 200 points, rise, and end at their share', () => {
    const curve = curveOf(rising, 2_000);
    expect(curve).toHaveLength(200);
    expect([curve[0], curve.at(-1)]).toEqual([
      [0, 0],
      [1_000, 0.5],
    ]);
    expect(curve).toEqual(curve.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]));
    expect(evenly(rising, 10)).toHaveLength(10);
    expect(evenly([1, 2], 10)).toEqual([1, 2]);
  });
});

test('samples stay within their number, however long it takes, and are evenly spread', () => {
  let atMs = 0;
  const look = (): Look => ({ sample: { atMs }, frame: { atMs } }) as Look;
  const sampler = new Sampler({ intervalMs: 10, look, onKept: () => undefined });
  for (; atMs < 100_000; atMs += 5) sampler.pass(atMs);
  const times = sampler.samplesWith(look()).map((sample) => sample.atMs);
  expect(times.length).toBeGreaterThan(290);
  expect(times.length).toBeLessThanOrEqual(600);
  const gaps = times.slice(1, -1).map((time, place) => time - times[place]!);
  expect(new Set(gaps).size).toBe(1);
  expect([times[0], times.at(-1)]).toEqual([0, 100_000]);
  expect(sampler.framesWith(look(), 200).length).toBeLessThanOrEqual(60);
  expect(sampler.framesWith(look(), 201)).toEqual([]);
});
