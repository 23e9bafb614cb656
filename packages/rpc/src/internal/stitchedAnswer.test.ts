import type { AnswerPart, AnswerSegment, SignedMessage } from '@lloom/codec';
import type { EvmAddress } from '@lloom/core';
import { describe, expect, test } from 'vitest';
import type { Answer, RequestId } from '../types.ts';
import { StitchedAnswer, Stretch } from './stitchedAnswer.ts';

const addressOf = (name: string) => `0x${name.repeat(40)}` as EvmAddress;

interface Signed {
  readonly tokens: number;
  /** What all of the executor's text costs so far. */
  readonly totalCost: string;
  readonly inboundTokens?: number;
  readonly finishReason?: string;
}

/** A part of an answer with its signature. */
function signed(name: string, text: string, { inboundTokens = 10, ...totals }: Signed): AnswerPart {
  const segment = { payload: { ...totals, inboundTokens } } as SignedMessage<AnswerSegment>;
  return { executor: addressOf(name), text, tokens: totals.tokens, signed: segment };
}

/** What an executor has shown of an answer, a word and a token at a time. */
function shown(answer: StitchedAnswer, name: string, words: readonly string[]): Stretch {
  const stretch = new Stretch(name, addressOf(name), answer.prefix);
  for (const word of words) {
    stretch.text += word;
    stretch.tokens++;
    answer.add(stretch);
  }
  return stretch;
}

const share = (name: string, figures: object) => ({ peerId: name, executor: addressOf(name), ...figures });

describe('an answer of one executor', () => {
  test('is nothing before something is shown', () => {
    const answer = new StitchedAnswer();
    expect(answer.soFar).toEqual({ content: '', parts: [], shares: [], totalCost: '0' });
    expect([answer.last, answer.prefix, answer.isBy('a')]).toEqual([undefined, undefined, false]);
  });

  test('costs what is signed, and shows what is not', () => {
    const answer = new StitchedAnswer();
    const stretch = shown(answer, 'a', ['one ', 'two ', 'three ']);
    expect(answer.soFar).toEqual({
      content: 'one two three ',
      parts: [{ executor: addressOf('a'), text: 'one two three ', tokens: 3 }],
      shares: [share('a', { tokens: 0, unsignedTokens: 3, totalCost: '0' })],
      totalCost: '0',
    });
    const first = signed('a', 'one two ', { tokens: 2, totalCost: '20' });
    stretch.prove([first]);
    expect(answer.soFar).toEqual({
      content: 'one two three ',
      parts: [first, { executor: addressOf('a'), text: 'three ', tokens: 1 }],
      shares: [share('a', { tokens: 2, unsignedTokens: 1, totalCost: '20' })],
      totalCost: '20',
    });
  });

  test('owes nothing for a signed part that was not shown', () => {
    const answer = new StitchedAnswer();
    const stretch = shown(answer, 'a', ['one ']);
    const first = signed('a', 'one ', { tokens: 1, totalCost: '10' });
    stretch.prove([first, signed('a', 'two ', { tokens: 1, totalCost: '20' })]);
    expect(answer.soFar).toMatchObject({ content: 'one ', parts: [first], totalCost: '10' });
  });

  test('owes for tokens without text with what follows them', () => {
    const answer = new StitchedAnswer();
    const stretch = shown(answer, 'a', ['one ', 'two ']);
    const parts = [
      signed('a', 'one ', { tokens: 1, totalCost: '10' }),
      signed('a', '', { tokens: 50, totalCost: '500' }),
      signed('a', 'two ', { tokens: 1, totalCost: '510' }),
      signed('a', '', { tokens: 0, totalCost: '520', finishReason: 'stop' }),
    ];
    const costs = parts.map((_, count) => {
      stretch.prove(parts.slice(0, count + 1));
      return answer.soFar.totalCost;
    });
    expect(costs).toEqual(['10', '10', '510', '520']);
    expect(answer.soFar.parts).toEqual(parts);
  });

  test('loses nothing that was proven when the executor says it again and proves less', () => {
    const answer = new StitchedAnswer();
    const stretch = shown(answer, 'a', ['one ', 'two ']);
    const parts = [
      signed('a', 'one ', { tokens: 1, totalCost: '10' }),
      signed('a', 'two ', { tokens: 1, totalCost: '20' }),
    ];
    stretch.prove(parts);
    stretch.prove(parts.slice(0, 1));
    expect(answer.soFar).toMatchObject({ parts, totalCost: '20' });
  });

  test('owes nothing for what the executor has signed when it said it again differently', () => {
    const answer = new StitchedAnswer();
    const stretch = shown(answer, 'a', ['one ', 'two ', 'three ']);
    const first = signed('a', 'one ', { tokens: 1, totalCost: '10' });
    stretch.prove([first]);
    stretch.prove([first, signed('a', 'too ', { tokens: 1, totalCost: '20' })]);
    expect(answer.soFar).toMatchObject({ content: 'one two three ', totalCost: '10' });
  });

  test('is proven as far as any of its repetitions proves it', () => {
    const answer = new StitchedAnswer();
    const stretch = shown(answer, 'a', ['one ', 'two ', 'three ']);
    stretch.prove([
      signed('a', 'one ', { tokens: 1, totalCost: '10' }),
      signed('a', 'two ', { tokens: 1, totalCost: '20' }),
    ]);
    const all = signed('a', 'one two three ', { tokens: 3, totalCost: '30' });
    stretch.prove([all]);
    expect(answer.soFar).toMatchObject({ parts: [all], totalCost: '30' });
  });

  test('never has fewer tokens than nothing, whatever the executor has signed', () => {
    const answer = new StitchedAnswer();
    shown(answer, 'a', ['one ', 'two ']).prove([signed('a', 'one ', { tokens: 50, totalCost: '10' })]);
    expect(answer.soFar.shares).toEqual([share('a', { tokens: 50, unsignedTokens: 0, totalCost: '10' })]);
    expect(answer.soFar.parts.at(-1)).toMatchObject({ text: 'two ', tokens: 0 });
  });
});

/** Two words of one executor, of which the first is signed, and one of another, which is. */
function twoExecutors() {
  const answer = new StitchedAnswer();
  const first = signed('a', 'one ', { tokens: 1, totalCost: '10', inboundTokens: 4 });
  shown(answer, 'a', ['one ', 'two ']).prove([first]);
  const second = shown(answer, 'b', ['three ']);
  const last = signed('b', 'three ', { tokens: 1, totalCost: '7', inboundTokens: 6 });
  second.prove([last]);
  const whole: Answer = {
    requestId: 'r-1' as RequestId,
    peerId: 'b',
    content: 'three ',
    parts: [last],
    shares: [{ ...second.share }],
    finishReason: 'stop',
    inboundTokens: 6,
    outboundTokens: 1,
    totalCost: '7',
    modelUsed: 'other-small',
    requestDigest: '0x12',
  };
  return { answer, first, last, whole };
}

describe('an answer that another executor has gone on with', () => {
  test('is one text, with what each has done for it', () => {
    const { answer, first, last } = twoExecutors();
    expect(answer.soFar).toEqual({
      content: 'one two three ',
      parts: [first, { executor: addressOf('a'), text: 'two ', tokens: 1 }, last],
      shares: [
        share('a', { tokens: 1, unsignedTokens: 1, totalCost: '10' }),
        share('b', { tokens: 1, unsignedTokens: 0, totalCost: '7' }),
      ],
      totalCost: '17',
    });
    expect([answer.isBy('a'), answer.isBy('b'), answer.isBy('c'), answer.last?.peerId]).toEqual([
      true,
      true,
      false,
      'b',
    ]);
  });

  test('is begun by all that came before, for whoever goes on', () => {
    const { answer } = twoExecutors();
    expect(answer.last?.prefix).toEqual({ text: 'one two ', tokens: 2, totalCost: '10' });
    expect(answer.prefix).toEqual({ text: 'one two three ', tokens: 3, totalCost: '17' });
  });

  test('is whole when the last one has finished it, with what all have read and produced', () => {
    const { answer, first, last, whole } = twoExecutors();
    const { parts, shares, ...rest } = answer.whole(whole);
    expect(rest).toMatchObject({
      content: 'one two three ',
      peerId: 'b',
      inboundTokens: 4 + 6,
      outboundTokens: 1 + 1,
      totalCost: '17',
      modelUsed: 'other-small',
      finishReason: 'stop',
    });
    expect(parts.map(({ text }) => text)).toEqual(['one ', 'two ', 'three ']);
    expect([parts[0], parts[2]]).toEqual([first, last]);
    expect(shares.map(({ peerId, totalCost }) => [peerId, totalCost])).toEqual([
      ['a', '10'],
      ['b', '7'],
    ]);
  });

  test('that had shown nothing before is the answer of the one who gave it', () => {
    const { whole } = twoExecutors();
    expect(new StitchedAnswer().whole(whole)).toBe(whole);
  });

  test('is counted in wei beyond what a number holds', () => {
    const answer = new StitchedAnswer();
    const most = 2n ** 128n;
    for (const name of ['a', 'b'])
      shown(answer, name, ['x']).prove([signed(name, 'x', { tokens: 1, totalCost: most.toString() })]);
    expect(answer.soFar.totalCost).toBe((2n * most).toString());
    expect(answer.prefix?.totalCost).toBe((2n * most).toString());
  });
});
