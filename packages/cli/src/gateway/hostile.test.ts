import { once } from 'node:events';
import { Writable } from 'node:stream';
import type { Provider } from '@lloom/behaviour';
import type { LoopbackExchange } from '@lloom/core/loopback';
import { expect, test } from 'vitest';
import { ask, eventsOf, get, setUp, until } from '../../test/support/gateway.ts';
import { peerId, type GivenAnswer } from '../../test/support/gatewayNode.ts';
import { EventStream } from './eventStream.ts';

const here = setUp();

interface Told {
  readonly choices: readonly { readonly message: object; readonly delta: object; finish_reason: unknown }[];
}

/** What an answer is told as, in one piece and as a stream. */
async function told(give: (answer: GivenAnswer) => void): Promise<{ whole: Told; parts: Told[] }> {
  here.node.onAsked = give;
  const gateway = await here.open();
  const whole = (await (await ask(gateway)).json()) as Told;
  const events = await eventsOf(await ask(gateway, { body: { stream: true } }));
  return { whole, parts: events.slice(0, -1) as Told[] };
}

test.for(['constructor', '__proto__', 'toString', 'a\n\ndata: b'])(
  'an answer may end for any reason, as for %j',
  async (finishReason) => {
    const { whole, parts } = await told((answer) => answer.end({ finishReason }));
    expect(whole.choices[0]!.finish_reason).toBe(finishReason);
    expect(parts.at(-1)!.choices[0]!.finish_reason).toBe(finishReason);
  },
);

test.for<unknown>([
  'abc',
  {},
  [null],
  ['ab'],
  [{ id: 5, type: 'function', function: { name: 'f', arguments: '{}' } }],
  [{ id: 'a', type: 'function', function: 'f' }],
  [{ id: 'a', type: 'function', function: { name: 'f', arguments: {} } }],
  [{ id: 'a', type: 'constructor', constructor: { name: 'f', arguments: '' } }],
])('what is no list of tool calls is not passed on as one: %j', async (calls) => {
  const extra = { tool_calls: calls as [], reasoning_content: 'hm' };
  const { whole, parts } = await told((answer) => {
    void answer.give('Hi');
    answer.end({ finishReason: 'tool_calls', extra });
  });
  const { message } = whole.choices[0]!;
  expect(message).toMatchObject({ content: 'Hi', reasoning_content: 'hm' });
  expect(message).not.toHaveProperty('tool_calls');
  const deltas = parts.map(({ choices }) => choices[0]!.delta);
  expect(deltas).toContainEqual({ reasoning_content: 'hm' });
});

test('tool calls have their places, whatever they say of them', async () => {
  const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
  const extra = {
    tool_calls: [
      { ...call, index: -7 },
      { ...call, index: 'x' },
    ],
  };
  const { parts } = await told((answer) => answer.end({ finishReason: 'tool_calls', extra }));
  const calls = parts.flatMap(
    ({ choices }) => (choices[0]!.delta as { tool_calls?: unknown }).tool_calls ?? [],
  );
  expect(calls).toEqual([
    { ...call, index: 0 },
    { ...call, index: 1 },
  ]);
});

test('text is what was counted and paid for, whatever else is said of it', async () => {
  const { whole } = await told((answer) => {
    void answer.give('counted');
    answer.end({ extra: { content: { of: 'another kind' }, role: 'system' } });
  });
  expect(whole.choices[0]!.message).toEqual({ role: 'assistant', content: 'counted', refusal: null });
});

test.for(['x-lloom-max-price', 'x-lloom-policy', 'x-lloom-timeout'])(
  'an empty %s is a mistake, and not what applies without one',
  async (name) => {
    const response = await ask(await here.open(), { headers: { [name]: '' } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param: name } });
    expect(here.node.answers).toEqual([]);
  },
);

test('a name that no model can have is not searched for, nor told to whoever watches', async () => {
  const response = await ask(await here.open(), { body: { model: 'm'.repeat(100_000) } });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param: 'model' } });
  expect(here.node.selections).toEqual([]);
  expect(here.reports).toMatchObject([{ model: '', status: 400 }]);
});

test('nobody is asked for a caller who left while somebody was looked for', async () => {
  const gateway = await here.open();
  const { promise: searching, resolve: begin } = Promise.withResolvers<void>();
  const { promise: found, resolve: find } = Promise.withResolvers<string>();
  here.node.select = () => {
    begin();
    return found;
  };
  const controller = new AbortController();
  const response = ask(gateway, { body: { stream: true }, signal: controller.signal });
  await searching;
  const left = once(here.node.selections[0]![1]!.signal!, 'abort');
  controller.abort();
  await expect(response).rejects.toThrow('aborted');
  await left;
  find(peerId);
  await until(() => here.reports.length > 0);
  expect(here.reports).toMatchObject([{ outcome: 'cancelled', status: 499 }]);
  expect(here.node.answers).toEqual([]);
});

test('many models of some providers do not hide the few of others', async () => {
  const provider = (models: readonly string[]): Provider =>
    ({ peerId, info: { kind: 'executor', models } }) as unknown as Provider;
  const flood = Array.from({ length: 12 }, (_, of) =>
    provider(Array.from({ length: 1_000 }, (_each, at) => `!${of}-${at}`)),
  );
  here.node.discover = () => Promise.resolve([...flood, provider(['llama-3'])]);
  const { data } = (await (await get(await here.open(), '/v1/models')).json()) as { data: { id: string }[] };
  expect(data.length).toBeLessThanOrEqual(10_000);
  expect(data.map(({ id }) => id)).toContain('llama-3');
});

test('a reader who takes nothing of the end of a stream is cut off as well', async () => {
  // As of a connection whose other side is full.
  const response = new Writable({ write: () => undefined });
  const exchange = { signal: new AbortController().signal, stream: () => response };
  const times = { keepAliveMs: 60_000, stallMs: 20 };
  const events = new EventStream(exchange as unknown as LoopbackExchange, times, {});
  await events.send({ small: true });
  events.end();
  await once(response, 'close');
  expect(response.writableFinished).toBe(false);
});
