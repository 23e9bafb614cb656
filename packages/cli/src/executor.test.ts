import type { Handler } from '@lloom/behaviour';
import type { LlmRequest } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { call, gather, pricing, question, scripted, start, words } from '../test/support/executing.ts';
import { BackendError, type BackendErrorCode, type BackendErrorData } from './backends/errors.ts';
import { offlineBackend } from './backends/offline.ts';

describe('an answer', () => {
  test('is streamed and counted', async () => {
    const { handler, reports } = start({ backend: scripted([...words(5), { finishReason: 'stop' }]) });
    expect(await gather(call(handler))).toEqual({
      text: 'word word word word word ',
      totals: {
        finishReason: 'stop',
        inboundTokens: 3,
        outboundTokens: 5,
        totalCost: '530',
        modelUsed: 'demo-small',
      },
      costs: ['130', '230', '330', '430', '530'],
    });
    expect(reports).toEqual([
      {
        requestId: 'request-1',
        peerId: 'client-1',
        model: 'demo-small',
        outcome: 'answered',
        finishReason: 'stop',
        inboundTokens: 3,
        outboundTokens: 5,
        totalCost: '530',
        durationMs: expect.any(Number) as number,
      },
    ]);
  });

  test('never comes to more on the way than the text up to there costs', async () => {
    const pieces = [{ text: 'two words ', tokens: 2 }, ...words(1), { text: '', tokens: 0 }, ...words(1)];
    const { handler } = start({ backend: scripted(pieces) });
    const { costs, totals } = await gather(call(handler, { maxPrice: '430' }));
    expect(costs).toEqual(['230', '330', '330', '430']);
    expect(totals).toMatchObject({ finishReason: 'stop', totalCost: '430' });
  });

  test('costs what the backend counted when it did', async () => {
    const end = { finishReason: 'stop', inboundTokens: 7, outboundTokens: 9 };
    const { handler } = start({ backend: scripted([...words(5), end]) });
    expect((await gather(call(handler))).totals).toMatchObject({
      inboundTokens: 7,
      outboundTokens: 9,
      totalCost: '970',
    });
  });

  test('ends well when the backend does not say how', async () => {
    const { handler } = start({ backend: scripted(words(2)) });
    expect((await gather(call(handler))).totals).toMatchObject({ finishReason: 'stop', outboundTokens: 2 });
  });

  test('costs what its model costs', async () => {
    const modelPricing = { 'demo-small': { inboundPrice: '1', outboundPrice: '2' } };
    const { handler } = start({ backend: scripted(words(5)), modelPricing });
    expect((await gather(call(handler))).totals).toMatchObject({ totalCost: '13' });
  });

  test('is not disturbed by whoever watches', async () => {
    const onRequest = (): never => {
      throw new Error('broken watcher');
    };
    const { handler } = start({ backend: scripted(words(1)), onRequest });
    expect((await gather(call(handler))).text).toBe('word ');
  });
});

describe('a model', () => {
  test('that is not served is refused', () => {
    const { handler, reports } = start();
    expect(() => call(handler, { model: 'demo-large' })).toThrow(
      expect.objectContaining({
        name: 'Refusal',
        code: 'MODEL_UNAVAILABLE',
        message: 'this executor serves demo-small',
      }) as Error,
    );
    expect(reports).toMatchObject([{ outcome: 'refused', model: 'demo-large', totalCost: '0' }]);
  });
});

describe('a price cap', () => {
  // Three tokens of question cost 30, each token of answer 100.
  test.each(['0', '29', '30', '129'])('of %s wei pays for no answer and is refused', (maxPrice) => {
    const backend = scripted(words(5));
    const { handler } = start({ backend });
    expect(() => call(handler, { maxPrice })).toThrow(
      expect.objectContaining({
        code: 'PRICE_EXCEEDED',
        message: 'the question and one token of an answer cost 130 wei',
      }) as Error,
    );
    expect(backend.asked).toEqual([]);
  });

  test.each([
    ['130', 1, 'price'],
    ['229', 1, 'price'],
    ['230', 2, 'price'],
    ['529', 4, 'price'],
    ['530', 5, 'stop'],
    ['999999999999999999999999', 5, 'stop'],
  ])('of %s wei pays for %i tokens and ends with "%s"', async (maxPrice, outboundTokens, finishReason) => {
    const { handler } = start({ backend: scripted([...words(5), { finishReason: 'stop' }]) });
    const { totals } = await gather(call(handler, { maxPrice }));
    const totalCost = String(30 + outboundTokens * 100);
    expect(totals).toMatchObject({ outboundTokens, finishReason, totalCost });
  });

  test('keeps the backend from working on more than it pays for', async () => {
    const backend = scripted(words(1));
    const { handler } = start({ backend });
    await gather(call(handler, { maxPrice: '330' }));
    await gather(call(handler, { maxPrice: '330', maxTokens: 2 }));
    await gather(call(handler, { maxPrice: '99999999' }));
    expect(backend.asked.map((request) => request.maxTokens)).toEqual([3, 2, undefined]);
  });

  test('that ends an answer is told from the limit of the request', async () => {
    const { handler } = start();
    expect((await gather(call(handler, { maxPrice: '330' }))).totals).toMatchObject({
      finishReason: 'price',
      outboundTokens: 3,
    });
    const request = { maxPrice: '330', maxTokens: 2 };
    expect((await gather(call(handler, request))).totals).toMatchObject({
      finishReason: 'length',
      outboundTokens: 2,
    });
  });

  test('holds also when the backend counts more at the end', async () => {
    const end = { finishReason: 'stop', inboundTokens: 50, outboundTokens: 50 };
    const { handler } = start({ backend: scripted([...words(2), end]) });
    expect((await gather(call(handler, { maxPrice: '400' }))).totals).toMatchObject({
      totalCost: '400',
      outboundTokens: 50,
    });
  });

  test('does not matter where answers are free', async () => {
    const free = { inboundPrice: '0', outboundPrice: '0' };
    const { handler } = start({ backend: scripted(words(5)), pricing: free });
    expect((await gather(call(handler, { maxPrice: '0' }))).totals).toMatchObject({
      totalCost: '0',
      outboundTokens: 5,
    });
  });
});

describe('an answer of tool calls', () => {
  const token = { text: '', tokens: 1 };
  const extra = { tool_calls: [{ id: 'a', type: 'function', function: { name: 'rain', arguments: '{}' } }] };
  const end = { finishReason: 'tool_calls', extra };

  test('costs its tokens without a word of text, and ends with the calls', async () => {
    const { handler, reports } = start({ backend: scripted([token, token, end]) });
    const { text, totals, costs } = await gather(call(handler));
    expect([text, costs]).toEqual(['', ['130', '230']]);
    const usage = { inboundTokens: 3, outboundTokens: 2, totalCost: '230', finishReason: 'tool_calls' };
    expect(totals).toEqual({ ...usage, modelUsed: 'demo-small', extra });
    expect(reports).toMatchObject([{ ...usage, outcome: 'answered' }]);
  });

  test('ends without them where the price cap ends it', async () => {
    const { handler } = start({ backend: scripted([token, token, token, end]) });
    const { totals } = await gather(call(handler, { maxPrice: '230' }));
    expect(totals).toMatchObject({ finishReason: 'price', outboundTokens: 2, totalCost: '230' });
    expect(totals).not.toHaveProperty('extra');
  });

  test('counts tools, and what messages have beyond their text, as the question', async () => {
    const { handler } = start({ backend: scripted([end]) });
    const messages = [...question.messages, { role: 'assistant', content: '', extra }];
    const { totals } = await gather(call(handler, { messages, extra: { tools: extra.tool_calls } }));
    expect(totals?.inboundTokens).toBeGreaterThan(3 + 2 * 3);
  });

  test('behind what the client began with more than text is asked for as a message of its own', async () => {
    const backend = scripted([end]);
    const { handler } = start({ backend });
    const messages = [...question.messages, { role: 'assistant', content: '', extra }];
    await gather(call(handler, { messages }, { prefix: { text: 'Well', tokens: 1, totalCost: '1' } }));
    expect(backend.asked[0]?.messages).toEqual([...messages, { role: 'assistant', content: 'Well' }]);
  });
});

describe('an answer that another executor began', () => {
  const prefix = { text: 'one two', tokens: 2, totalCost: '1000' };
  const begun = { role: 'assistant', content: 'one two' } as const;

  test('is the last message that the backend gets, and is read like the question', async () => {
    const backend = scripted([...words(2), { finishReason: 'stop' }]);
    const { handler, reports } = start({ backend });
    const { text, totals, costs } = await gather(call(handler, {}, { prefix }));
    expect(text).toBe('word word ');
    expect(backend.asked.map(({ messages }) => messages)).toEqual([[...question.messages, begun]]);
    const usage = { inboundTokens: 5, outboundTokens: 2, totalCost: '250' };
    expect(totals).toMatchObject({ ...usage, finishReason: 'stop' });
    expect(costs).toEqual(['150', '250']);
    expect(reports).toMatchObject([{ ...usage, outcome: 'answered' }]);
  });

  test('goes on behind what the client wrote of it itself', async () => {
    const backend = scripted(words(1));
    const { handler } = start({ backend });
    const messages = [...question.messages, { role: 'assistant', content: 'Well, ' } as const];
    await gather(call(handler, { messages }, { prefix }));
    const content = 'Well, one two';
    expect(backend.asked[0]?.messages).toEqual([...question.messages, { role: 'assistant', content }]);
  });

  test('is counted as the backend counts', async () => {
    const backend = {
      ...scripted(words(1)),
      inboundTokens: (asked: LlmRequest) => asked.messages.length * 7,
    };
    const { handler } = start({ backend });
    expect((await gather(call(handler, {}, { prefix }))).totals).toMatchObject({ inboundTokens: 14 });
  });

  test('is as long in all as the request allows', async () => {
    const backend = scripted([...words(3), { finishReason: 'length' }]);
    const { handler } = start({ backend });
    const { totals } = await gather(call(handler, { maxTokens: 5 }, { prefix }));
    expect(backend.asked[0]?.maxTokens).toBe(3);
    expect(totals).toMatchObject({ finishReason: 'length', outboundTokens: 3 });
  });

  test.each([2, 1])('and is as long as %i tokens allow ends at once, for nothing', async (maxTokens) => {
    const backend = scripted(words(3));
    const { handler, reports } = start({ backend });
    const { text, totals } = await gather(call(handler, { maxTokens, maxPrice: '1' }, { prefix }));
    const wanted = { finishReason: 'length', inboundTokens: 0, outboundTokens: 0, totalCost: '0' };
    expect({ text, totals }).toEqual({ text: '', totals: { ...wanted, modelUsed: 'demo-small' } });
    expect(reports).toMatchObject([{ ...wanted, outcome: 'answered' }]);
    expect(backend.asked).toEqual([]);
  });

  // What there is costs 1000, reading question and beginning 50, each token 100.
  test.each([
    ['1150', 1, 'price'],
    ['1349', 2, 'price'],
    ['1550', 5, 'stop'],
  ])(
    'costs %s wei in all at most, which is %i tokens more',
    async (maxPrice, outboundTokens, finishReason) => {
      const { handler } = start({ backend: scripted(words(5)) });
      const { totals } = await gather(call(handler, { maxPrice }, { prefix }));
      const totalCost = String(50 + outboundTokens * 100);
      expect(totals).toMatchObject({ outboundTokens, finishReason, totalCost });
    },
  );

  test('costs no more than is left when the backend counts more at the end', async () => {
    const end = { finishReason: 'stop', inboundTokens: 50, outboundTokens: 50 };
    const { handler } = start({ backend: scripted([...words(2), end]) });
    const { totals } = await gather(call(handler, { maxPrice: '1400' }, { prefix }));
    expect(totals).toMatchObject({ totalCost: '400' });
  });

  test.each(['1149', '1000', '999', '0'])('is refused when %s wei pay for no more', (maxPrice) => {
    const backend = scripted(words(5));
    const { handler, reports } = start({ backend });
    expect(() => call(handler, { maxPrice }, { prefix })).toThrow(
      expect.objectContaining({
        code: 'PRICE_EXCEEDED',
        message: 'with one more token the whole answer costs 1150 wei',
      }) as Error,
    );
    expect(reports).toMatchObject([{ outcome: 'refused' }]);
    expect(backend.asked).toEqual([]);
  });

  test('reads with the offline backend as if one executor had given it', async () => {
    const handlerOf = (executorId: string): Handler =>
      start({ backend: offlineBackend({ models: ['demo-small'], executorId, paceMs: 0 }) }).handler;
    const whole = await gather(call(handlerOf('executor-A')));
    const first = await gather(call(handlerOf('executor-A'), { maxTokens: 20 }));
    const cut = { text: first.text, tokens: 20, totalCost: '0' };
    const second = await gather(call(handlerOf('executor-B'), {}, { prefix: cut }));
    expect(first.text + second.text).toBe(whole.text);
    expect(20 + (second.totals?.outboundTokens ?? 0)).toBe(whole.totals?.outboundTokens);
  });
});

describe('a client that leaves', () => {
  test('is reported with what it was given', async () => {
    const { handler, reports } = start();
    for await (const piece of call(handler)) if (typeof piece === 'object' && 'text' in piece) break;
    expect(reports).toMatchObject([
      { outcome: 'cancelled', inboundTokens: 3, outboundTokens: 1, totalCost: '0' },
    ]);
  });
});

describe('a backend that fails', () => {
  const failing = <C extends BackendErrorCode>(code: C, data: BackendErrorData[C]): Handler =>
    start({ backend: scripted([{ text: 'word', tokens: 1 }, new BackendError(code, data)]) }).handler;
  const said = { server: 'http://10.0.0.7:8000/v1', status: 500, remoteMessage: 'stack trace' };

  test.each([
    ['BUSY', failing('BUSY', { ...said, retryAfterMs: 7_000 }), { code: 'BUSY', retryAfterMs: 7_000 }],
    ['MODEL_UNKNOWN', failing('MODEL_UNKNOWN', { ...said, model: 'x' }), { code: 'MODEL_UNAVAILABLE' }],
    ['SERVER_FAILED', failing('SERVER_FAILED', said), { code: 'REMOTE', reason: 'SERVER_FAILED' }],
    ['UNAUTHORIZED', failing('UNAUTHORIZED', said), { code: 'REMOTE', reason: 'UNAUTHORIZED' }],
  ])('with %s gives a refusal that says nothing of the server', async (_, handler, wanted) => {
    const error = await gather(call(handler)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'Refusal', ...wanted });
    const { message, reason = '' } = error as { message: string; reason?: string };
    expect(`${message} ${reason}`).not.toMatch(/10\.0\.0\.7|stack/);
  });

  test('is reported with what the operator needs', async () => {
    const error = new BackendError('SERVER_FAILED', said);
    const { handler, reports } = start({ backend: scripted([...words(2), error]) });
    await expect(gather(call(handler))).rejects.toThrow('the backend failed');
    expect(reports).toMatchObject([{ outcome: 'failed', error, outboundTokens: 2, totalCost: '0' }]);
  });

  test('because the client left is not a failure', async () => {
    const controller = new AbortController();
    controller.abort(new Error('gone'));
    const { handler, reports } = start();
    await expect(gather(call(handler, {}, { signal: controller.signal }))).rejects.toThrow('gone');
    expect(reports).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

test('prices that cannot be used are refused', () => {
  const wrong = {
    pricing: { inboundPrice: '1.5', outboundPrice: '2' },
    modelPricing: { a: pricing, b: {} as never },
  };
  expect(() => start(wrong)).toThrow(/"executor.pricing".*"executor.modelPricing"/);
});
