import type { AnswerSegment, EndFrame } from '@lloom/codec';
import { verifyAnswer } from '@lloom/identity';
import { seededRandom, type SeededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { Answering, client } from '../../test/answering.ts';
import { failure } from '../../test/nodes.ts';
import type { AnswerPiece } from '../types.ts';

const seeds = 200;
const alphabet = ['a', 'b', ' ', 'ß', '語', '🦜', '👩‍🚀', '\n'];

function chooser(random: SeededRandom) {
  const upTo = (limit: number): number => Math.floor(random.float() * limit);
  return { upTo, happens: (chance: number): boolean => random.float() < chance };
}

/** A handler's text, tokens, totals and pauses; pieces end anywhere, also in the middle of characters. */
function randomStream(random: SeededRandom) {
  const { upTo, happens } = chooser(random);
  const text = Array.from({ length: upTo(80) }, () => alphabet[upTo(alphabet.length)]).join('');
  const steps: (AnswerPiece | number)[] = [];
  let [start, tokens, cost] = [0, 0, 0];
  while (start < text.length || happens(0.3)) {
    if (happens(0.4)) steps.push(1 + upTo(900));
    if (happens(0.1)) steps.push({ totalCost: String((cost += upTo(9))), inboundTokens: 3 });
    const end = Math.min(text.length, start + upTo(5));
    const piece = text.slice(start, (start = end));
    const count = happens(0.7) ? 1 : upTo(7);
    steps.push(count === 1 ? piece : { text: piece, tokens: count });
    tokens += count;
  }
  return { text, steps, tokens, cost };
}

/** What clients, keys and settings may be like. */
function randomConfig(random: SeededRandom) {
  const { upTo, happens } = chooser(random);
  const [isSlow, isDear] = [happens(0.4), happens(0.3)];
  return {
    segmentTokens: 1 + upTo(20),
    segmentIntervalMs: 100 + upTo(1_000),
    ...(isSlow && { takeMs: () => (happens(0.3) ? 1 + upTo(1_500) : 0) }),
    ...(isDear && { signMs: () => upTo(300) }),
    isPrompt: !isSlow && !isDear,
  };
}

function randomAnswer(seed: number) {
  const random = seededRandom(`answer/${seed}`);
  const config = randomConfig(random.fork('config'));
  return { ...randomStream(random.fork('stream')), config, random, answer: new Answering(config) };
}

/** What the signatures of an answer must say, by what was sent before each of them. */
function dueSegments({ sent }: Answering, { tokens }: { readonly tokens: number }): Partial<AnswerSegment>[] {
  const digest = client.verifier().startDigest();
  const utf8 = new TextEncoder();
  let [told, signed, index] = [0, 0, 0];
  return sent.flatMap((frame) => {
    const isEnd = frame.type === 'end';
    digest.update(utf8.encode(frame.type === 'chunk' ? frame.text : ''));
    told += frame.type === 'chunk' ? frame.tokens : 0;
    if (!('segment' in frame)) return [];
    // What stands on no chunk, as its text is half a character, is signed at the end.
    const outboundTokens = isEnd ? tokens : told;
    const segment = {
      index: index++,
      runningDigest: digest.digest(),
      tokens: outboundTokens - signed,
      outboundTokens,
      ...(isEnd && { finishReason: 'stop' }),
    };
    signed = outboundTokens;
    return segment;
  });
}

/** The chunks that should have been signed: with them there is so much unsigned text, or it is so old. */
function lateChunks({ sent, times }: Answering, config: ReturnType<typeof randomConfig>): number[] {
  let [tokens, sinceMs] = [0, Infinity];
  return sent.flatMap((frame, index) => {
    const nowMs = times[index] as number;
    if (frame.type === 'chunk') {
      tokens += frame.tokens;
      sinceMs = Math.min(sinceMs, nowMs);
    }
    const isOld = config.isPrompt && nowMs - sinceMs > config.segmentIntervalMs;
    const isSigned = 'segment' in frame;
    const isLate = isOld || (!isSigned && tokens >= config.segmentTokens);
    if (isSigned) [tokens, sinceMs] = [0, Infinity];
    return isLate ? index : [];
  });
}

const sequences = ({ sent }: Answering): number[] =>
  sent.flatMap((frame) => (frame.type === 'chunk' ? frame.sequence : []));
const emptyChunks = ({ sent }: Answering): unknown[] =>
  sent.filter((frame) => frame.type === 'chunk' && frame.text === '' && frame.segment === undefined);

describe.for(Array.from({ length: 8 }, (_, block) => block))('random answers, block %i', (block) => {
  const numbers = Array.from({ length: seeds / 8 }, (_, index) => block * (seeds / 8) + index);

  test('are whole, in order, signed in time, and each signature covers what it stands on', async () => {
    for (const seed of numbers) {
      const { answer, config, steps, text, tokens, cost, random } = randomAnswer(seed);
      await answer.stream(steps);
      expect(answer.timers.size, `seed ${seed}`).toBe(0);
      expect(sequences(answer), `seed ${seed}`).toEqual([...sequences(answer).keys()]);
      expect(emptyChunks(answer), `seed ${seed}`).toEqual([]);
      expect(lateChunks(answer, config), `seed ${seed}`).toEqual([]);
      const due = dueSegments(answer, { tokens });
      expect(answer.segments.length, `seed ${seed}`).toBe(due.length);
      expect(answer.segments, `seed ${seed}`).toMatchObject(due);
      const proof = await answer.proof();
      const whole = await proof.end(answer.sent.at(-1) as EndFrame);
      expect(whole).toMatchObject({ content: text, outboundTokens: tokens, totalCost: String(cost) });
      const count = chooser(random).upTo(answer.sent.length);
      const parts = answer.parts(count);
      const last = parts.findLastIndex(({ signed }) => signed !== undefined);
      const signedTokens = parts.slice(0, last + 1).reduce((sum, part) => sum + part.tokens, 0);
      expect(await verifyAnswer(parts), `seed ${seed}, ${count} messages`).toMatchObject({ signedTokens });
    }
  });

  test('leave no timer and send nothing more when they are broken off anywhere', async () => {
    for (const seed of numbers) {
      const { answer, steps, random } = randomAnswer(seed);
      const closed = new Error('the client is gone');
      const writing = answer.writer.pieces(answer.script([...steps, 5_000, 'more', 5_000, 'and more']));
      const ended = failure(writing);
      await answer.clock.runFor(chooser(random).upTo(5_000));
      answer.closed = closed;
      answer.writer.close();
      const sent = answer.sent.length;
      expect(answer.timers.size, `seed ${seed}`).toBe(0);
      expect(await answer.run(ended), `seed ${seed}`).toBe(closed);
      expect(answer.sent.length, `seed ${seed}`).toBe(sent);
      expect(answer.timers.size, `seed ${seed}`).toBe(0);
      await verifyAnswer(answer.parts());
    }
  });
});
