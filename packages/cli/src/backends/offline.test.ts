import type { LlmRequest } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { isEnd, type BackendEnd } from './backend.ts';
import { offlineBackend } from './offline.ts';
import { splitTokens } from './tokens.ts';

const models = ['demo-small'];
const question: LlmRequest = {
  model: 'demo-small',
  messages: [{ role: 'user', content: 'What is a DHT?' }],
  idempotencyKey: 'key',
};

async function answer(
  request: Partial<LlmRequest> = {},
  executorId = 'executor-A',
): Promise<{ text: string; tokens: string[]; end: BackendEnd | undefined }> {
  const backend = offlineBackend({ models, executorId, paceMs: 0 });
  const tokens: string[] = [];
  let end: BackendEnd | undefined;
  for await (const piece of backend.generate(
    { ...question, ...request },
    { signal: new AbortController().signal },
  )) {
    if (isEnd(piece)) end = piece;
    else tokens.push(piece.text);
  }
  return { text: tokens.join(''), tokens, end };
}

describe('offlineBackend', () => {
  test('says what it is in its first words', async () => {
    const { text, end } = await answer();
    expect(text).toMatch(/^Offline backend: no language model runs here\./);
    expect(text).toContain('You asked demo-small: “What is a DHT?”.');
    expect(end).toEqual({ finishReason: 'stop' });
  });

  test('gives one token after another, as it counts them', async () => {
    const { text, tokens } = await answer();
    expect(tokens).toEqual(splitTokens(text));
    expect(tokens.length).toBeGreaterThan(40);
  });

  test('answers the same request the same way', async () => {
    expect(await answer()).toEqual(await answer({ idempotencyKey: 'another' }));
  });

  test.each([
    ['executor', {}, 'executor-B'],
    ['seed', { seed: 7 }, 'executor-A'],
    ['question', { messages: [{ role: 'user', content: 'Why?' }] }, 'executor-A'],
  ])('answers differently with another %s', async (_, request, executorId) => {
    expect((await answer(request, executorId)).text).not.toBe((await answer()).text);
  });

  test('goes on behind its own beginning as if it had not stopped', async () => {
    const { text, tokens } = await answer();
    for (const count of [1, 10, tokens.length - 1, tokens.length]) {
      const content = tokens.slice(0, count).join('');
      const rest = await answer({ messages: [...question.messages, { role: 'assistant', content }] });
      expect(content + rest.text).toBe(text);
    }
  });

  test('goes on behind the beginning of another executor so that it reads as one text', async () => {
    const { text, tokens } = await answer();
    const content = tokens.slice(0, 12).join('');
    const request = { messages: [...question.messages, { role: 'assistant', content }] };
    const rest = await answer(request, 'executor-B');
    expect(content + rest.text).toBe(text);
    expect(await answer(request, 'executor-B')).toEqual(rest);
  });

  test('stops at maxTokens', async () => {
    const { tokens, end } = await answer({ maxTokens: 5 });
    expect(tokens).toHaveLength(5);
    expect(end).toEqual({ finishReason: 'length' });
  });

  test('stops before a stop text', async () => {
    const { text, end } = await answer({ stop: ['not there', ' model runs', ''] });
    expect(text).toBe('Offline backend: no language');
    expect(end).toEqual({ finishReason: 'stop' });
  });

  test('tells that it can go on behind a beginning', () => {
    expect(offlineBackend({ models, executorId: 'a' }).canContinue).toBe(true);
  });

  test('counts the question', () => {
    expect(offlineBackend({ models, executorId: 'a' }).inboundTokens?.(question)).toBe(4);
  });

  test('stops when it is told to', async () => {
    const backend = offlineBackend({ models, executorId: 'a', paceMs: 60_000 });
    const controller = new AbortController();
    const iterator = backend.generate(question, { signal: controller.signal })[Symbol.asyncIterator]();
    const next = iterator.next();
    controller.abort();
    await expect(next).rejects.toThrow('aborted');
  });
});
