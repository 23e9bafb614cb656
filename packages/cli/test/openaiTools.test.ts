import type { LlmRequest } from '@lloom/codec';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BackendChunk, BackendEnd } from '../src/backends/backend.ts';
import { openaiBackend } from '../src/backends/openai.ts';
import { event, lastChunk, ModelServer, startStream, textChunk } from './support/modelServer.ts';

let server: ModelServer;
beforeEach(async () => {
  server = await ModelServer.start();
});
afterEach(() => server[Symbol.asyncDispose]());

const question: LlmRequest = {
  model: 'llama-3',
  messages: [{ role: 'user', content: 'Is it raining?' }],
  idempotencyKey: 'key',
};

async function pieces(request: Partial<LlmRequest> = {}): Promise<(BackendChunk | BackendEnd)[]> {
  const backend = openaiBackend({ baseUrl: server.baseUrl, models: [{ name: 'llama-3' }] });
  const { signal } = new AbortController();
  const given: (BackendChunk | BackendEnd)[] = [];
  for await (const piece of backend.generate({ ...question, ...request }, { signal })) given.push(piece);
  return given;
}

/** Answers with a chunk for each delta. */
function say(deltas: readonly object[], finishReason = 'tool_calls'): void {
  server.reply = (response) => {
    startStream(response);
    for (const delta of deltas) response.write(event({ choices: [{ index: 0, delta }] }));
    response.end(lastChunk(finishReason) + event('[DONE]'));
  };
}

const call = { id: 'call_1', type: 'function', function: { name: 'rain', arguments: '{}' } };
const calls = [
  { tool_calls: [{ ...call, index: 0, function: { name: 'rain', arguments: '' } }] },
  { tool_calls: [{ index: 0, function: { arguments: '{' } }] },
  { tool_calls: [{ index: 0, function: { arguments: '}' } }] },
];

test('tool calls come at the end, and each chunk of them is a token without text', async () => {
  say([{ role: 'assistant', content: null }, ...calls]);
  const token = { text: '', tokens: 1 };
  const end = { finishReason: 'tool_calls', extra: { tool_calls: [call] } };
  expect(await pieces()).toEqual([token, token, token, end]);
});

test('text may come before tool calls', async () => {
  say([{ content: 'Let me look.' }, { tool_calls: [{ ...call, index: 0 }] }]);
  const [text, , end] = await pieces();
  expect([text, end]).toEqual([
    { text: 'Let me look.', tokens: 1 },
    { finishReason: 'tool_calls', extra: { tool_calls: [call] } },
  ]);
});

test('a stream that breaks off in a tool call gives none', async () => {
  server.reply = (response) => {
    startStream(response);
    response.end(event({ choices: [{ index: 0, delta: calls[0] }] }));
  };
  await expect(pieces()).rejects.toMatchObject({ code: 'BROKEN_OFF', data: { chunks: 1 } });
});

test('a stream that breaks off is no answer, though each of its chunks says an empty reason to end', async () => {
  server.reply = (response) => {
    startStream(response);
    response.end(event({ choices: [{ index: 0, delta: { content: 'Let me' }, finish_reason: '' }] }));
  };
  await expect(pieces()).rejects.toMatchObject({ code: 'BROKEN_OFF', data: { chunks: 1 } });
});

test.for([
  ['INVALID_RESPONSE', { tool_calls: 'rain' }],
  ['TOO_LARGE', { tool_calls: [{ index: 0, function: { arguments: 'x'.repeat(70_000) } }] }],
] as const)('tool calls that cannot be passed on are %s, and the server is left', async ([code, delta]) => {
  server.reply = (response) => {
    startStream(response);
    response.write(textChunk('Let me look.') + event({ choices: [{ index: 0, delta }] }));
  };
  await expect(pieces()).rejects.toMatchObject({ code });
  await server.seen[0]!.closed;
});

test('the server is told everything of each message, and who speaks as the network says', async () => {
  const parts = [{ type: 'text', text: 'Hello' }];
  await pieces({
    messages: [
      { role: 'user', content: 'Hello', extra: { content: parts, role: 'system' } },
      { role: 'assistant', content: '', extra: { tool_calls: [call] } },
      { role: 'tool', content: 'no', extra: { tool_call_id: 'call_1' } },
    ],
    extra: { tools: [{ type: 'function', function: { name: 'rain' } }] },
  });
  expect(server.seen[0]!.body).toMatchObject({
    messages: [
      { role: 'user', content: parts },
      { role: 'assistant', content: '', tool_calls: [call] },
      { role: 'tool', content: 'no', tool_call_id: 'call_1' },
    ],
    tools: [{ type: 'function', function: { name: 'rain' } }],
  });
});
