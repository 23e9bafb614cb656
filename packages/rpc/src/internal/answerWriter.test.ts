import type { EndFrame } from '@lloom/codec';
import { verifyAnswer } from '@lloom/identity';
import { describe, expect, test } from 'vitest';
import { Answering, executor, request, type AnsweringConfig } from '../../test/answering.ts';
import { failure } from '../../test/nodes.ts';
import type { AnswerMessage, AnswerPiece } from '../types.ts';

const words = (count: number): string[] => Array.from({ length: count }, (_, index) => `w${index} `);
const whole = {
  content: 'Hi there!',
  finishReason: 'stop',
  inboundTokens: 1,
  outboundTokens: 2,
  totalCost: '5',
  modelUsed: 'demo-small',
};
const unsigned: AnswerMessage = { type: 'llmResponse', response: whole };

async function streamed(steps: readonly (AnswerPiece | number)[], config?: AnsweringConfig) {
  const answer = new Answering(config);
  await answer.stream(steps);
  expect(answer.timers.size).toBe(0);
  return answer;
}

describe('an answer in chunks is signed', () => {
  test('every 32 tokens and at its end', async () => {
    const answer = await streamed(words(100));
    const signed = answer.sent.flatMap((frame, index) => ('segment' in frame ? index : []));
    expect(signed).toEqual([31, 63, 95, 100]);
    expect(answer.segments.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(answer.segments.map(({ tokens }) => tokens)).toEqual([32, 32, 32, 4]);
    expect(answer.segments.map(({ outboundTokens }) => outboundTokens)).toEqual([32, 64, 96, 100]);
    expect(answer.segments.map(({ finishReason }) => finishReason)).toEqual([
      undefined,
      undefined,
      undefined,
      'stop',
    ]);
    expect(await verifyAnswer(answer.parts())).toMatchObject({ signedTokens: 96 + 4, unsignedTokens: 0 });
  });

  test('at its end also when nothing is left to sign', async () => {
    const answer = await streamed(words(32));
    expect(answer.segments.map(({ tokens }) => tokens)).toEqual([32, 0]);
    expect((await (await answer.proof()).end(answer.sent.at(-1) as EndFrame)).outboundTokens).toBe(32);
  });

  test('each second when its tokens come slowly', async () => {
    const steps = words(12).flatMap((word) => [310, word]);
    const answer = await streamed(steps);
    const times = answer.sent.flatMap((frame, index) => ('segment' in frame ? answer.times[index] : []));
    expect(times).toEqual([1_310, 2_310, 3_310, 3_720]);
    expect(answer.segments.map(({ tokens }) => tokens)).toEqual([4, 3, 3, 2]);
  });

  test('by itself, once, when its handler is silent', async () => {
    const answer = await streamed(['thinking', 60_000, ' done']);
    expect(answer.texts).toEqual(['thinking', '|', ' done|']);
    expect(answer.times).toEqual([0, 1_000, 60_000, 60_000]);
    expect(answer.sent[1]).toMatchObject({ text: '', tokens: 0, segment: { payload: { tokens: 1 } } });
  });

  test('with the chunk that comes when the last signature is a second old', async () => {
    const answer = await streamed(['a', 1_500, 'b', 400, 'c', 5_000, 'd']);
    expect(answer.texts).toEqual(['a', '|', 'b', 'c', '|', 'd|']);
    expect(answer.times).toEqual([0, 1_000, 1_500, 1_900, 2_000, 6_900, 6_900]);
  });

  test('when tokens without text are many, or old', async () => {
    const answer = await streamed([{ text: '', tokens: 40 }, 10, { text: '', tokens: 1 }, 2_000]);
    expect(answer.texts).toEqual(['|', '|']);
    expect(answer.sent).toMatchObject([{ tokens: 40 }, { tokens: 1 }, { type: 'end' }]);
    expect(answer.times).toEqual([0, 1_000, 2_010]);
  });

  test('no more often than there is something to sign', async () => {
    const nothing = { text: '', tokens: 0 };
    const answer = await streamed([nothing, 2_000, 'a', nothing, 5_000], { segmentTokens: 1 });
    expect(answer.texts).toEqual(['a|']);
    expect(answer.times).toEqual([2_000, 7_000]);
  });

  test('once when it is ready as a whole, however large', async () => {
    const content = 'ab🦜'.repeat(10_000);
    const answer = new Answering({ takeMs: () => 2_000 });
    await answer.run(
      Promise.resolve(
        answer.writer.message({
          type: 'llmResponse',
          response: { ...whole, content, outboundTokens: 90 },
        }),
      ),
    );
    expect(answer.sent.map(({ type }) => type)).toEqual(['chunk', 'chunk', 'chunk', 'end']);
    expect(answer.segments).toMatchObject([{ index: 0, tokens: 90, outboundTokens: 90, totalCost: '5' }]);
    expect(answer.sent.map((frame) => (frame.type === 'chunk' ? frame.text : '')).join('')).toBe(content);
    expect(answer.timers.size).toBe(0);
  });
});

describe('what a signature says', () => {
  const costs = (answer: Answering): string[] => answer.segments.map(({ totalCost }) => totalCost);

  test('of costs and the question is the last that the handler said', async () => {
    const answer = await streamed(
      ['a', { totalCost: '3', inboundTokens: 7 }, 'b', 'c', { totalCost: '4' }, 'd', { totalCost: '9' }],
      { segmentTokens: 1 },
    );
    expect(costs(answer)).toEqual(['0', '3', '3', '4', '9']);
    expect(answer.segments.map(({ inboundTokens }) => inboundTokens)).toEqual([0, 7, 7, 7, 7]);
    expect(answer.segments.map(({ modelUsed }) => modelUsed)).toEqual(Array(5).fill('demo-small'));
  });

  test('beyond text is the last that the handler said, and stands at the end alone', async () => {
    const [first, last] = [{ tool_calls: [] }, { tool_calls: [{ id: 'a' }] }];
    const steps = [
      { extra: first },
      'a',
      'b',
      { extra: last, finishReason: 'tool_calls' },
      { totalCost: '2' },
    ];
    const answer = await streamed(steps, { segmentTokens: 1 });
    expect(answer.segments.map(({ extra }) => extra)).toEqual([undefined, undefined, last]);
    const proof = await answer.proof();
    expect(await proof.end(answer.sent.at(-1) as EndFrame)).toMatchObject({ extra: last });
    const gathered = await streamed(steps, { inChunks: false });
    expect(gathered.sent).toMatchObject([{ response: { response: { payload: { extra: last } } } }]);
    const piece = new Answering();
    await piece.run(
      Promise.resolve(piece.writer.message({ type: 'llmResponse', response: { ...whole, extra: last } })),
    );
    expect(piece.segments.map(({ extra }) => extra)).toEqual([last]);
  });

  test('never is a cost below one that was signed', async () => {
    const answer = await streamed([{ totalCost: '10' }, 'a', { totalCost: '9' }, 'b', { totalCost: '8' }], {
      segmentTokens: 1,
    });
    expect(costs(answer)).toEqual(['10', '10', '10']);
    const lowered = await streamed(['a', { totalCost: '10' }, { totalCost: '8' }]);
    expect(costs(lowered)).toEqual(['8']);
  });

  test.each([
    ['more tokens than its pieces', 9, [2, 2, 5]],
    ['as many as were signed', 4, [2, 2, 0]],
    ['fewer than were signed', 3, [2, 2, 1]],
  ])('adds up when the handler counts %s', async (_name, outboundTokens, tokens) => {
    const totals = { outboundTokens, finishReason: 'length', modelUsed: 'other' };
    const answer = await streamed([...words(5), totals], { segmentTokens: 2 });
    expect(answer.segments.map((segment) => segment.tokens)).toEqual(tokens);
    const proof = await answer.proof();
    expect(await proof.end(answer.sent.at(-1) as EndFrame)).toMatchObject({
      outboundTokens: tokens.reduce((sum, count) => sum + count),
      finishReason: 'length',
      modelUsed: 'other',
    });
    expect(await verifyAnswer(proof.parts)).toMatchObject({ unsignedTokens: 0 });
  });

  test('counts tokens that come after the handler’s own count', async () => {
    const answer = await streamed(['a', { outboundTokens: 5 }, 'b', 'c']);
    expect(answer.segments).toMatchObject([{ tokens: 7, outboundTokens: 7 }]);
  });
});

test('a break after any chunk leaves exactly the signed text proven', async () => {
  const steps = words(40).flatMap((word, index) => [index % 7 === 6 ? 1_200 : 20, word]);
  const answer = await streamed(steps, { segmentTokens: 8 });
  expect(answer.segments.length).toBeGreaterThan(6);
  for (let count = 1; count <= answer.sent.length; count++) {
    const parts = answer.parts(count);
    const last = parts.findLastIndex(({ signed }) => signed !== undefined);
    const sum = (of: typeof parts): number => of.reduce((tokens, part) => tokens + part.tokens, 0);
    const expected = {
      signedTokens: sum(parts.slice(0, last + 1)),
      unsignedTokens: sum(parts.slice(last + 1)),
      signedBytes: parts
        .slice(0, last + 1)
        .map(({ text }) => text)
        .join('').length,
    };
    expect(await verifyAnswer(parts)).toMatchObject(expected);
    if (count === answer.sent.length) return;
    const proof = await answer.proof(count);
    expect(await verifyAnswer(proof.parts)).toMatchObject(expected);
  }
});

describe('characters stay whole', () => {
  const [high, low] = ['\ud83e', '\udd9c'];

  test('when pieces cut them', async () => {
    const answer = await streamed([`a${high}`, `${low}b${high}`, low, 'c'], { segmentTokens: 2 });
    expect(answer.texts).toEqual(['a', '🦜b|', '🦜', 'c|']);
    expect(answer.sent).toMatchObject([{ tokens: 1 }, { tokens: 1 }, { tokens: 1 }, { tokens: 1 }, {}]);
    expect(await verifyAnswer(answer.parts())).toMatchObject({ signedTokens: 4, unsignedTokens: 0 });
  });

  test('when a segment is due in the middle of one', async () => {
    const answer = await streamed(['a', high, 500, low], { segmentTokens: 2 });
    expect(answer.texts).toEqual(['a', '|', '🦜']);
    expect(await verifyAnswer(answer.parts())).toMatchObject({ signedTokens: 3, unsignedTokens: 0 });
  });

  test('when chunks cut them, and half of one at the end is dropped', async () => {
    const text = `${'x'.repeat(16 * 1024 - 1)}🦜${'y'.repeat(16 * 1024 - 2)}🦜z`;
    const answer = await streamed([`${text}${high}`]);
    const lengths = answer.sent.map((frame) => (frame.type === 'chunk' ? frame.text.length : 0));
    expect(lengths).toEqual([16 * 1024 - 1, 16 * 1024, 3, 0]);
    expect((await answer.proof()).parts[0]?.text).toBe(text);
    expect(answer.sent.map((frame) => frame.type === 'chunk' && frame.tokens)).toEqual([1, 0, 0, false]);
  });
});

describe('a client that takes no chunks', () => {
  test('is given streamed text as one signed answer', async () => {
    const steps = ['Hi \ud83e', '\udd9c', 5_000, '!\ud83e', { totalCost: '4' }, { finishReason: 'length' }];
    const answer = await streamed(steps, { inChunks: false });
    expect(answer.sent).toMatchObject([{ type: 'end', response: { type: 'llmResponse' } }]);
    expect(answer.sent).toMatchObject([
      {
        response: {
          response: {
            payload: { content: 'Hi 🦜!', outboundTokens: 3, totalCost: '4', finishReason: 'length' },
          },
        },
      },
    ]);
  });

  test('is told when the text is too large, before the handler has come to its end', async () => {
    const answer = new Answering({ inChunks: false, maxBytes: 1_000 });
    async function* endless(): AsyncGenerator<AnswerPiece> {
      for (;;) yield 'ü'.repeat(10);
    }
    const error = await failure(answer.run(answer.writer.pieces(endless())));
    expect(error).toMatchObject({ code: 'TOO_LARGE', reason: 'response' });
    expect(answer.sent).toEqual([]);
  });
});

describe('a whole answer', () => {
  test('that needs no signature is written at once', async () => {
    const answer = new Answering();
    expect(answer.writer.message({ type: 'pong' })).toBeUndefined();
    const response = await executor.sign({ ...whole, requestDigest: `0x${'12'.repeat(32)}` as const });
    expect(answer.writer.message({ type: 'llmResponse', response })).toBeUndefined();
    expect(answer.sent).toEqual([
      { type: 'end', response: { type: 'pong' } },
      { type: 'end', response: { type: 'llmResponse', response } },
    ]);
    expect(answer.begins).toBe(1);
  });

  test('is signed for the client and in answer to its request', async () => {
    const answer = new Answering({ inChunks: false });
    await answer.writer.message(unsigned);
    const proof = await answer.proof();
    const { response, ...proven } = await proof.end(answer.sent[0] as EndFrame);
    expect(proven).toMatchObject({ ...whole, requestDigest: proof.requestDigest });
    expect(response).toMatchObject({ to: request.signer, inReplyTo: proof.requestDigest, payload: whole });
  });
});

describe('an answer fails', () => {
  test.each<[string, AnsweringConfig, object]>([
    ['without a signer', { signer: undefined }, { code: 'MISSING_PORT', data: { port: 'signer' } }],
    ['without a verifier', { verifier: undefined }, { code: 'MISSING_PORT', data: { port: 'verifier' } }],
    ['when a ping is answered with text', { request: undefined }, { name: 'TypeError' }],
    ['when it is too large', { maxBytes: 40 }, { code: 'TOO_LARGE', reason: 'response' }],
  ])('%s', async (_name, config, error) => {
    for (const inChunks of [true, false]) {
      const answer = new Answering({ inChunks, ...config });
      expect(await failure(answer.stream(words(20)))).toMatchObject(error);
      expect(answer.timers.size).toBe(0);
      const respond = async (): Promise<void> =>
        new Answering({ inChunks, ...config }).writer.message(unsigned);
      expect(await failure(respond())).toMatchObject(error);
    }
  });

  test.each<[string, AnswerMessage | AnswerPiece]>([
    ['a piece', { text: undefined } as never],
    ['a message', { type: 'llmResponse', response: { ...whole, content: undefined } as never }],
  ])('when the text of %s is none', async (_name, wrong) => {
    const answer = new Answering();
    const respond = async (): Promise<void> =>
      typeof wrong === 'object' && 'type' in wrong ? answer.writer.message(wrong) : answer.stream([wrong]);
    expect(await failure(respond())).toMatchObject({ name: 'TypeError' });
    expect(answer.sent).toEqual([]);
  });

  test('with what the handler says or throws', async () => {
    const answer = new Answering();
    expect(() => answer.writer.message({ type: 'error', message: 'no' })).toThrow('no');
    async function* broken(): AsyncGenerator<AnswerPiece> {
      yield 'a';
      throw new Error('broken');
    }
    await expect(answer.run(answer.writer.pieces(broken()))).rejects.toThrow('broken');
    expect(answer.timers.size).toBe(0);
    expect(answer.texts).toEqual(['a']);
    expect(answer.begins).toBe(1);
  });

  test('at the next piece when a segment could not be signed by itself', async () => {
    const sign = (): Promise<never> => Promise.reject(new Error('no wallet'));
    const answer = new Answering({ signer: { address: executor.evmAddress, sign } });
    await expect(answer.stream(['a', 5_000, 'b', 'c'])).rejects.toThrow('no wallet');
    expect(answer.texts).toEqual(['a']);
    expect(answer.clock.elapsed()).toBe(5_000);
    expect(answer.timers.size).toBe(0);
  });

  test('when nobody waits for it any more: nothing is sent, and no timer is left', async () => {
    const answer = new Answering();
    const writing = failure(answer.writer.pieces(answer.script(['a', 5_000, 'b'])));
    await answer.clock.runFor(500);
    answer.closed = new Error('the client is gone');
    expect(answer.timers.size).toBe(1);
    answer.writer.close();
    expect(answer.timers.size).toBe(0);
    expect(await answer.run(writing)).toBe(answer.closed);
    expect(answer.texts).toEqual(['a']);
  });

  test.each([
    { which: 'with its chunk', steps: words(32), sent: 31 },
    { which: 'by itself', steps: ['a', 5_000, 'b'], sent: 1 },
    { which: 'at the end', steps: ['a'], sent: 1 },
    { which: 'of a whole answer', steps: ['a'], sent: 0, inChunks: false },
  ])('when nobody waits for a signature $which any more', async ({ steps, sent, inChunks = true }) => {
    const closed = new Error('the client is gone');
    const answer: Answering = new Answering({
      inChunks,
      signMs: () => {
        answer.closed = closed;
        return 100;
      },
    });
    expect(await failure(answer.stream(steps))).toBe(closed);
    expect(answer.sent.length).toBe(sent);
    expect(answer.segments).toEqual([]);
    expect(answer.timers.size).toBe(0);
  });
});

describe('a client that takes its time', () => {
  test('stops the handler, and is signed what it has when it takes more', async () => {
    const answer = new Answering({ takeMs: () => 3_000 });
    let asked = 0;
    async function* counted(): AsyncGenerator<AnswerPiece> {
      for (const word of words(3)) {
        asked++;
        yield word;
      }
    }
    const writing = answer.writer.pieces(counted());
    await answer.clock.runFor(2_999);
    expect(asked).toBe(1);
    await answer.run(writing);
    expect(answer.texts).toEqual(['w0 ', '|', 'w1 |', 'w2 |']);
    expect(answer.times).toEqual([0, 3_000, 6_000, 9_000, 12_000]);
    expect(await verifyAnswer(answer.parts())).toMatchObject({ signedTokens: 3, unsignedTokens: 0 });
  });

  test('is sent a large piece around the segment that goes out by itself', async () => {
    const large = 'x'.repeat(3 * 16 * 1024);
    const answer = await streamed(['a', 700, large, 'b'], { takeMs: () => 200 });
    expect(answer.texts.map((text) => text.length)).toEqual([1, 16_384, 1, 16_384, 16_384, 1]);
    expect(answer.texts[2]).toBe('|');
    expect(answer.times).toEqual([0, 900, 1_100, 1_300, 1_500, 1_700, 1_900]);
    expect(await verifyAnswer(answer.parts())).toMatchObject({ signedTokens: 3, unsignedTokens: 0 });
    const gone: Answering = new Answering({
      takeMs: () => {
        gone.closed = new Error('the client is gone');
        return 200;
      },
    });
    expect(await failure(gone.stream([large]))).toBe(gone.closed);
    expect(gone.sent.length).toBe(1);
  });

  test('is sent text behind a slow signature in the order in which it came', async () => {
    const answer = await streamed([...words(3), 200, ...words(2)], { segmentTokens: 2, signMs: () => 500 });
    expect(answer.texts).toEqual(['w0 ', 'w1 |', 'w2 ', 'w0 |', 'w1 ']);
    expect(answer.times).toEqual([0, 500, 500, 1_200, 1_200, 1_700]);
    const alone = await streamed(['a', 1_100, 'b', 'c'], { signMs: () => 500 });
    expect(alone.texts).toEqual(['a', '|', 'b', 'c']);
    expect(alone.times).toEqual([0, 1_500, 1_500, 1_500, 2_000]);
  });
});
