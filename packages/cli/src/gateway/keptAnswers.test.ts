import { RpcError } from '@lloom/behaviour';
import { describe, expect, test } from 'vitest';
import { answers, ask, eventsOf, problemOf, setUp, until } from '../../test/support/gateway.ts';
import { peerId } from '../../test/support/gatewayNode.ts';

const here = setUp();
const headers = { 'idempotency-key': 'key' };
const contentOf = async (response: Response): Promise<unknown> => {
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content;
};
const broken = (totalCost: string): RpcError =>
  new RpcError('PARTIAL_ANSWER', {
    ...{ requestId: 'r', peerId, tokens: 9, signedTokens: 8, totalCost },
    failure: 'REMOTE',
  });

describe('a request that is sent again with its key', () => {
  test('gets the same answer for nothing, whole or as a stream, and nobody is asked', async () => {
    here.node.onAsked = answers('Hi');
    const gateway = await here.open();
    expect(await contentOf(await ask(gateway, { headers }))).toBe('Hi');
    const again = await ask(gateway, { headers });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.headers.get('x-lloom-peer-id')).toBe(peerId);
    expect(await again.json()).toMatchObject({
      choices: [{ message: { content: 'Hi' } }],
      usage: { total_tokens: 4 },
      lloom: { totalCost: '5', shares: [{ peerId }] },
    });
    const events = await eventsOf(await ask(gateway, { headers, body: { stream: true } }));
    expect(events.map((event) => (event as { choices?: unknown[] }).choices?.[0] ?? event)).toMatchObject([
      { delta: { role: 'assistant' } },
      { delta: { content: 'Hi' } },
      { finish_reason: 'stop' },
      '[DONE]',
    ]);
    expect(here.node.answers).toHaveLength(1);
    expect(here.reports.map(({ outcome, totalCost }) => [outcome, totalCost])).toEqual([
      ['answered', '5'],
      ['repeated', '0'],
      ['repeated', '0'],
    ]);
  });

  test('waits for the first, when that is still being answered', async () => {
    const gateway = await here.open();
    const both = [ask(gateway, { headers }), ask(gateway, { headers })];
    const answer = await here.node.asked;
    void answer.give('Hi');
    answer.end();
    expect(await Promise.all(both.map(async (each) => contentOf(await each)))).toEqual(['Hi', 'Hi']);
    expect(here.node.answers).toHaveLength(1);
  });

  test('is asked anew when the first has failed', async () => {
    const gateway = await here.open();
    const first = ask(gateway, { headers });
    const answer = await here.node.asked;
    const second = ask(gateway, { headers });
    here.node.onAsked = answers('Hi');
    answer.fail(broken('0'));
    expect((await first).status).toBe(502);
    expect(await contentOf(await second)).toBe('Hi');
  });

  test('is refused when it is another one', async () => {
    here.node.onAsked = answers('Hi');
    const gateway = await here.open();
    await ask(gateway, { headers });
    const other = await ask(gateway, { headers, body: { max_tokens: 3 } });
    expect(other.headers.get('x-should-retry')).toBe('false');
    expect(await problemOf(other)).toEqual({ status: 409, code: 'idempotency_conflict' });
  });

  test('whose caller leaves while it waits leaves the first alone', async () => {
    const gateway = await here.open();
    const first = ask(gateway, { headers });
    const answer = await here.node.asked;
    const controller = new AbortController();
    const second = ask(gateway, { headers, signal: controller.signal }).catch(() => 'left');
    controller.abort();
    expect(await second).toBe('left');
    void answer.give('Hi');
    answer.end();
    expect(await contentOf(await first)).toBe('Hi');
  });

  test('gets what was whole already when the first caller left', async () => {
    const gateway = await here.open();
    const controller = new AbortController();
    const asked = ask(gateway, { headers, body: { stream: true }, signal: controller.signal });
    const answer = await here.node.asked;
    await answer.give('Hi');
    const { body } = await asked;
    answer.end();
    // Before the last bytes of it are on their way.
    await answer.result;
    controller.abort();
    await body?.cancel().catch(() => undefined);
    expect(await contentOf(await ask(gateway, { headers }))).toBe('Hi');
    expect(here.node.answers).toHaveLength(1);
  });

  test('is asked anew when what was answered since is too much to be kept', async () => {
    const gateway = await here.open();
    const long = 'x'.repeat(6 * 1_024 * 1_024);
    here.node.onAsked = answers(long);
    for (const key of ['a', 'b', 'c'])
      await (await ask(gateway, { headers: { 'idempotency-key': key } })).text();
    here.node.onAsked = answers('Hi');
    expect(await contentOf(await ask(gateway, { headers: { 'idempotency-key': 'c' } }))).toBe(long);
    expect(await contentOf(await ask(gateway, { headers: { 'idempotency-key': 'a' } }))).toBe('Hi');
  });
});

describe('an answer that breaks off', () => {
  test('is not asked for by programs again when something is owed, and gives what was paid for', async () => {
    const gateway = await here.open();
    here.node.onAsked = (answer) => {
      answer.signedTokens = 8;
      void answer.give('as far as');
      answer.fail(broken('16'));
    };
    const response = await ask(gateway);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await response.json()).toMatchObject({ lloom: { totalCost: '16', content: 'as far as' } });
  });

  test('may be asked for again when nothing is owed', async () => {
    const gateway = await here.open();
    here.node.onAsked = (answer) => answer.fail(broken('0'));
    const response = await ask(gateway);
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([502, null]);
  });

  test('of a stream does not repeat what was seen', async () => {
    const gateway = await here.open();
    const asked = ask(gateway, { body: { stream: true } });
    const answer = await here.node.asked;
    answer.signedTokens = 8;
    await answer.give('as far as');
    answer.fail(broken('16'));
    const [, , last] = await eventsOf(await asked);
    expect(last).toMatchObject({ error: { code: 'partial_answer' }, lloom: { totalCost: '16' } });
    expect(JSON.stringify(last)).not.toContain('as far as');
    await until(() => here.reports.length === 1);
  });
});
