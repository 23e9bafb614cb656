import type { Answer } from '@lloom/behaviour';
import { expect, test } from 'vitest';
import { isOverbilled } from './bill.ts';

interface Given {
  readonly by: string;
  readonly tokens: number;
  readonly unsignedTokens?: number;
  readonly said?: {
    readonly inboundTokens: number;
    readonly outboundTokens: number;
    readonly totalCost: string;
  };
}

/** An answer that several gave one after the other, as far as a bill is concerned. */
function answerOf(...given: readonly Given[]): Answer {
  const shares = given.map(({ by, tokens, unsignedTokens = 0, said }) => {
    return { peerId: by, executor: by, tokens, unsignedTokens, totalCost: said?.totalCost ?? '0' };
  });
  const parts = given.map(({ by, said }) => ({
    text: '…',
    ...(said && { signed: { signer: by, payload: { index: 0, ...said } } }),
  }));
  const outboundTokens = given.reduce((sum, { tokens }) => sum + tokens, 0);
  const totalCost = shares.reduce((sum, share) => sum + BigInt(share.totalCost), 0n).toString();
  return { shares, parts, outboundTokens, totalCost } as unknown as Answer;
}

const isDear = (...given: readonly Given[]): boolean =>
  isOverbilled(answerOf(...given), {
    questionTokens: 8,
    pricesOf: () => [{ inboundPrice: '1', outboundPrice: '2' }],
  });

test('an answer costs its tokens at the offered price, and no more', () => {
  expect(
    isDear({ by: 'a', tokens: 20, said: { inboundTokens: 8, outboundTokens: 20, totalCost: '48' } }),
  ).toBe(false);
  expect(
    isDear({ by: 'a', tokens: 20, said: { inboundTokens: 8, outboundTokens: 20, totalCost: '49' } }),
  ).toBe(true);
});

test('tokens that nobody got, or nobody asked, cost nothing', () => {
  expect(
    isDear({ by: 'a', tokens: 20, said: { inboundTokens: 8, outboundTokens: 21, totalCost: '50' } }),
  ).toBe(true);
  expect(
    isDear({ by: 'a', tokens: 20, said: { inboundTokens: 900, outboundTokens: 20, totalCost: '940' } }),
  ).toBe(true);
});

test('whoever goes on where another one crashed reads what that had shown, signed or not', () => {
  const first = { by: 'a', tokens: 0, unsignedTokens: 11 };
  expect(
    isDear(first, { by: 'b', tokens: 9, said: { inboundTokens: 19, outboundTokens: 9, totalCost: '37' } }),
  ).toBe(false);
  expect(
    isDear(first, { by: 'b', tokens: 9, said: { inboundTokens: 60, outboundTokens: 9, totalCost: '78' } }),
  ).toBe(true);
});
