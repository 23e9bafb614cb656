import { describe, expect, test } from 'vitest';
import type { Answer, AnswerChunk, PartialAnswer, PendingRequest } from '../types.ts';
import { PulledAnswer } from './pulledAnswer.ts';

const given = new Error('given up');
const soFar: PartialAnswer = { content: 'a', parts: [], shares: [], totalCost: '0' };

/** An answer whose chunks come when the test says so. */
function createAnswer() {
  const outcome = Promise.withResolvers<Answer>();
  outcome.promise.catch(() => undefined);
  const waiting: PromiseWithResolvers<AnswerChunk | undefined>[] = [];
  let cancels = 0;
  const answer = new PulledAnswer({
    pending: {} as PendingRequest,
    soFar,
    outcome: outcome.promise,
    next: () => {
      const next = Promise.withResolvers<AnswerChunk | undefined>();
      waiting.push(next);
      return next.promise;
    },
    cancel: () => {
      cancels++;
      outcome.reject(given);
      for (const each of waiting.splice(0)) each.reject(given);
    },
  });
  const come = (text: string, peerId = 'a'): void =>
    waiting.shift()?.resolve({ sequence: 0, text, tokens: 1, peerId });
  const end = (): void => waiting.shift()?.resolve(undefined);
  return { answer, come, end, cancels: () => cancels, waiting };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('an iteration over an answer', () => {
  test('that is left before its first step gives the request up', async () => {
    const { answer, cancels } = createAnswer();
    const iterator = answer[Symbol.asyncIterator]();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(cancels()).toBe(1);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    await expect(answer.result).rejects.toBe(given);
  });

  test('that is told of an error before its first step gives the request up', async () => {
    const { answer, cancels } = createAnswer();
    const error = new Error('the reader failed');
    await expect(answer[Symbol.asyncIterator]().throw?.(error)).rejects.toBe(error);
    expect(cancels()).toBe(1);
  });

  test('that is left while it waits gives the request up at once, and ends', async () => {
    const { answer, cancels, waiting } = createAnswer();
    const iterator = answer[Symbol.asyncIterator]();
    const next = iterator.next();
    while (waiting.length === 0) await turn();
    const left = iterator.return?.();
    expect(cancels()).toBe(1);
    expect([await next, await left]).toMatchObject([{ done: true }, { done: true }]);
  });

  test('that goes to the end does not', async () => {
    const { answer, come, end, cancels } = createAnswer();
    const iterator = answer[Symbol.asyncIterator]();
    const steps = [iterator.next(), iterator.next()];
    await turn();
    come('a');
    await turn();
    end();
    expect(await Promise.all(steps)).toMatchObject([{ done: false, value: { text: 'a' } }, { done: true }]);
    expect(cancels()).toBe(0);
  });

  test('beside another one is refused, and leaving it does not disturb the first', async () => {
    const { answer, come, cancels } = createAnswer();
    const [first, second] = [answer[Symbol.asyncIterator](), answer[Symbol.asyncIterator]()];
    const step = first.next();
    await expect(second.next()).rejects.toThrow('twice');
    await second.return?.();
    expect(cancels()).toBe(0);
    come('a');
    expect(await step).toMatchObject({ value: { text: 'a' } });
  });
});

describe('an answer that is awaited before it is iterated over', () => {
  /** An answer of so many chunks by each of some executors, read without anybody iterating. */
  async function readAhead(executors: readonly string[], chunks: number): Promise<AnswerChunk[]> {
    const { answer, come, end, waiting } = createAnswer();
    answer.result.catch(() => undefined);
    for (const peerId of executors)
      for (let chunk = 0; chunk < chunks; chunk++) {
        while (waiting.length === 0) await Promise.resolve();
        come('x', peerId);
      }
    while (waiting.length === 0) await Promise.resolve();
    end();
    await turn();
    const iterator = answer[Symbol.asyncIterator]();
    const shown: AnswerChunk[] = [];
    const read = async (): Promise<void> => {
      for (let step = await iterator.next(); step.done !== true; step = await iterator.next())
        shown.push(step.value);
    };
    const reading = read();
    while (waiting.length === 0) await turn();
    end();
    await reading;
    return shown;
  }

  test('keeps all of its text in a bounded number of chunks', async () => {
    const shown = await readAhead(['a'], 2_500);
    expect(shown).toHaveLength(1_000);
    expect(shown.map(({ text }) => text).join('')).toBe('x'.repeat(2_500));
    expect(shown.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(2_500);
  });

  test('never mixes the text of two executors', async () => {
    const shown = await readAhead(['a', 'b', 'c'], 1_500);
    expect(shown).toHaveLength(1_000 + 2);
    for (const peerId of ['a', 'b', 'c']) {
      const own = shown.filter((chunk) => chunk.peerId === peerId);
      expect(own.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(1_500);
    }
  });
});

test('an answer tells what has been shown of it so far', () => {
  expect(createAnswer().answer.soFar).toBe(soFar);
});
