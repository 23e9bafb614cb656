import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { RpcError } from '@lloom/behaviour';
import { describe, expect, test } from 'vitest';
import {
  answers,
  apiKey,
  ask,
  eventsOf,
  problemOf,
  question,
  setUp,
  until,
} from '../../test/support/gateway.ts';
import { peerId } from '../../test/support/gatewayNode.ts';
import type { Gateway } from './serveGateway.ts';

const here = setUp();

describe('an answer in one piece', () => {
  test('is a chat completion, with what was counted, and what it costs whom', async () => {
    here.node.onAsked = answers('Hi');
    const response = await ask(await here.open());
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'x-request-id': 'request-0',
      'x-lloom-peer-id': peerId,
    });
    expect(await response.json()).toEqual({
      id: 'chatcmpl-request-0',
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'demo',
      choices: [
        {
          ...{ index: 0, finish_reason: 'stop', logprobs: null },
          message: { role: 'assistant', content: 'Hi', refusal: null },
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
      lloom: {
        ...{ requestId: 'request-0', totalCost: '5', requestDigest: '0x00', finishReason: 'stop' },
        shares: [expect.objectContaining({ peerId, tokens: 1, totalCost: '5' })],
      },
    });
    expect(here.reports).toEqual([
      {
        ...{ requestId: 'request-0', model: 'demo', stream: false, peerIds: [peerId] },
        ...{ inboundTokens: 3, outboundTokens: 1, totalCost: '5', outcome: 'answered', status: 200 },
        durationMs: expect.any(Number) as number,
      },
    ]);
  });

  test('is signed for who was selected, by the policy, within the price, and may fail over', async () => {
    here.node.onAsked = answers('Hi');
    const gateway = await here.open({ policy: 'latency', maxPrice: '100', attempts: 5, hedgeMs: 2_000 });
    const headers = { 'x-lloom-max-price': '90', 'x-lloom-timeout': '9s', 'idempotency-key': 'key' };
    await ask(gateway, { body: { max_tokens: 4 }, headers });
    const [query, config] = here.node.selections[0]!;
    // Two words: no token of the question may cost more than half of it all.
    expect(query).toEqual({
      ...{ model: 'demo', prefer: 'latency' },
      maxPrice: { inboundPrice: '45', outboundPrice: '90' },
    });
    expect(config?.timeoutMs).toBe(5_000);
    const { message, call } = here.node.answers[0]!;
    expect(message.request.payload).toMatchObject({
      ...{ model: 'demo', maxTokens: 4, maxPrice: '90', idempotencyKey: 'key' },
      messages: question.messages,
    });
    expect(call).toMatchObject({ retry: { maxAttempts: 5, failover: 'resume' }, hedge: { delayMs: 2_000 } });
    expect(call.timeoutMs).toBeGreaterThan(0);
    expect(call.timeoutMs).toBeLessThanOrEqual(9_000);
  });

  test('tells tool calls, and whatever else was said beyond text', async () => {
    const calls = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }];
    here.node.onAsked = (answer) =>
      answer.end({ finishReason: 'tool_calls', extra: { tool_calls: calls, reasoning_content: 'hm' } });
    const { choices } = (await (await ask(await here.open())).json()) as { choices: unknown[] };
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { role: 'assistant', content: null, tool_calls: calls, reasoning_content: 'hm' },
    });
  });

  test('ends for reasons that callers know', async () => {
    const gateway = await here.open();
    for (const [finishReason, told] of [
      ['contentFilter', 'content_filter'],
      ['price', 'length'],
      ['eos', 'eos'],
    ] as const) {
      here.node.onAsked = (answer) => answer.end({ finishReason });
      const body = (await (await ask(gateway)).json()) as object;
      expect(body).toMatchObject({ choices: [{ finish_reason: told }], lloom: { finishReason } });
    }
  });

  test('that breaks off is told with what is owed for it', async () => {
    here.node.onAsked = (answer) => {
      answer.signedTokens = 8;
      const data = { requestId: 'r', peerId, tokens: 9, signedTokens: 8, totalCost: '16' };
      answer.fail(new RpcError('PARTIAL_ANSWER', { ...data, failure: 'REMOTE' }));
    };
    const response = await ask(await here.open());
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      error: { code: 'partial_answer' },
      lloom: { totalCost: '16', shares: [{ peerId, tokens: 8 }] },
    });
    expect(here.reports).toMatchObject([
      { outcome: 'failed', status: 502, totalCost: '16', outboundTokens: 8 },
    ]);
  });
});

describe('a stream', () => {
  test('has a role, the text, an end, and what was counted only when that is wanted', async () => {
    here.node.onAsked = (answer) => {
      void answer.give('Hel');
      void answer.give('lo');
      answer.end();
    };
    const gateway = await here.open();
    const response = await ask(gateway, { body: { stream: true } });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'x-request-id': 'request-0',
      'x-lloom-peer-id': peerId,
    });
    const part = (delta: object, reason: string | null = null): object => ({
      ...{ id: 'chatcmpl-request-0', object: 'chat.completion.chunk', model: 'demo' },
      created: expect.any(Number) as number,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
    });
    const lloom = expect.objectContaining({ requestId: 'request-0', totalCost: '7' }) as object;
    const texts = [
      part({ role: 'assistant', content: '' }),
      part({ content: 'Hel' }),
      part({ content: 'lo' }),
    ];
    expect(await eventsOf(response)).toEqual([...texts, { ...part({}, 'stop'), lloom }, '[DONE]']);

    const counted = await ask(gateway, { body: { stream: true, stream_options: { include_usage: true } } });
    expect((await eventsOf(counted)).slice(3)).toMatchObject([
      { choices: [{ finish_reason: 'stop' }] },
      {
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
        lloom: { totalCost: '7' },
      },
      '[DONE]',
    ]);
  });

  test('tells whole tool calls before its end, each with its place', async () => {
    const calls = ['a', 'b'].map((id) => ({
      id,
      type: 'function',
      function: { name: 'f', arguments: '{}' },
    }));
    here.node.onAsked = (answer) => answer.end({ finishReason: 'tool_calls', extra: { tool_calls: calls } });
    const events = await eventsOf(await ask(await here.open(), { body: { stream: true } }));
    expect(events).toMatchObject([
      { choices: [{ delta: { role: 'assistant' } }] },
      {
        choices: [
          {
            delta: {
              tool_calls: [
                { index: 0, ...calls[0] },
                { index: 1, ...calls[1] },
              ],
            },
          },
        ],
      },
      { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
      '[DONE]',
    ]);
  });

  test('that fails before its first text has a status', async () => {
    const busy = { requestId: 'r', peerId, remoteMessage: '', retryAfterMs: 1_500 };
    here.node.onAsked = (answer) => answer.fail(new RpcError('BUSY', busy));
    const response = await ask(await here.open(), { body: { stream: true } });
    expect(response.headers.get('retry-after')).toBe('2');
    expect(response.headers.get('x-request-id')).toBe('request-0');
    expect(await problemOf(response)).toEqual({ status: 429, code: 'busy' });
  });

  test('that fails later says so inside, and does not end like a whole one', async () => {
    here.node.onAsked = (answer) => {
      answer.signedTokens = 1;
      void answer
        .give('Hel')
        .then(() => answer.fail(new RpcError('REMOTE', { requestId: 'r', peerId, remoteMessage: '' })));
    };
    const events = await eventsOf(await ask(await here.open(), { body: { stream: true } }));
    expect(events.at(-1)).toMatchObject({ error: { code: 'remote' }, lloom: { totalCost: '2' } });
    expect(here.reports).toMatchObject([{ outcome: 'failed', status: 200, stream: true, totalCost: '2' }]);
  });

  test('says that it lives while nothing comes', async () => {
    const gateway = await here.open({ keepAliveMs: 5 });
    const { asked } = here.node;
    const response = await ask(gateway, { body: { stream: true } });
    const answer = await asked;
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toMatch(/^: keep-alive\n\n/);
    answers('Hi')(answer);
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
    expect(rest).toMatch(/"content":"Hi"[^]*data: \[DONE\]\n\n$/);
  });

  test('is read no faster than its reader reads, and cut off for one that has stopped', async () => {
    const gateway = await here.open({ stallMs: 50 });
    const { asked } = here.node;
    const response = await unread(gateway);
    const answer = await asked;
    const piece = 'x'.repeat(200_000);
    const most = 400;
    let given = 0;
    const gone = once(answer.call.signal!, 'abort');
    const pour = async (): Promise<void> => {
      for (; given < most && answer.call.signal?.aborted === false; given++) await answer.give(piece);
    };
    await Promise.race([pour(), gone]);
    expect(given).toBeLessThan(most);
    await gone;
    response.destroy();
    await until(() => here.reports.length > 0);
    expect(here.reports).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

/** A stream of which nothing is read but its head. */
/** A stream of which nothing is read but its head. */
async function unread({ url }: Gateway): Promise<IncomingMessage> {
  const call = httpRequest(`${url}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}` },
  });
  call.on('error', () => undefined);
  const { asked } = here.node;
  call.end(JSON.stringify({ ...question, stream: true }));
  const answer = await asked;
  void answer.give('begin');
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response.pause();
}

/** Lets other things happen until something holds. */
describe('a caller who leaves', () => {
  test.for([false, true])('has the request cancelled; stream: %s', async (stream) => {
    const gateway = await here.open();
    const { asked } = here.node;
    const controller = new AbortController();
    const response = ask(gateway, { body: { stream }, signal: controller.signal });
    const answer = await asked;
    const cancelled = once(answer.call.signal!, 'abort');
    controller.abort();
    await expect(response).rejects.toThrow('aborted');
    await cancelled;
    await until(() => here.reports.length > 0);
    expect(here.reports).toMatchObject([{ outcome: 'cancelled', status: 499 }]);
  });

  test('ends the search for a provider', async () => {
    const gateway = await here.open();
    const { promise: searching, resolve } = Promise.withResolvers<void>();
    here.node.select = () => {
      resolve();
      return new Promise(() => undefined);
    };
    const controller = new AbortController();
    const response = ask(gateway, { signal: controller.signal });
    await searching;
    const ended = once(here.node.selections[0]![1]!.signal!, 'abort');
    controller.abort();
    await expect(response).rejects.toThrow('aborted');
    await ended;
  });
});

describe('a wait for another attempt', () => {
  const busy = new RpcError('BUSY', { requestId: 'r', peerId, remoteMessage: '', retryAfterMs: 9_000 });

  test('that is long is left to the caller, who is told for how long', async () => {
    const gateway = await here.open();
    const { asked } = here.node;
    const response = ask(gateway);
    const { requestId, call } = await asked;
    const retry = { peerId, attempt: 1, error: busy };
    here.node.retrying({ ...retry, requestId, delayMs: 2_000 });
    here.node.retrying({ ...retry, requestId: 'other' as typeof requestId, delayMs: 9_000 });
    expect(call.signal?.aborted).toBe(false);
    here.node.retrying({ ...retry, requestId, delayMs: 9_000 });
    expect(call.signal?.aborted).toBe(true);
    expect((await response).headers.get('retry-after')).toBe('9');
    expect(await problemOf(await response)).toEqual({ status: 429, code: 'busy' });
    expect(here.reports).toMatchObject([{ outcome: 'failed', status: 429 }]);
  });

  test('is waited for when something was shown already', async () => {
    const gateway = await here.open();
    const { asked } = here.node;
    const response = ask(gateway, { body: { stream: true } });
    const answer = await asked;
    await answer.give('Hel');
    here.node.retrying({ peerId, attempt: 1, error: busy, requestId: answer.requestId, delayMs: 9_000 });
    answers('lo')(answer);
    expect((await eventsOf(await response)).at(-1)).toBe('[DONE]');
  });
});
