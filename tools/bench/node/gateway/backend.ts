import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** What is looked at of a request. */
interface Asked {
  readonly model: string;
  readonly stream?: boolean;
  readonly max_tokens?: number;
}

/** What the backend says at a place of its answer. */
const tokenAt = (index: number): string => ` token${index % 10}`;

/** The whole answer of so many tokens. */
export const answerOf = (tokens: number): string =>
  Array.from({ length: tokens }, (_, index) => tokenAt(index)).join('');

/** Begins to listen on a free port of this machine; gives the port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/**
 * A server with the chat completions API of OpenAI that computes nothing: it says `max_tokens` tokens as fast as they
 * are taken, in a stream each in a chunk of its own.
 */
export function startBackend(): Promise<number> {
  const server = createServer((request, response) => {
    void json(request).then((asked) => answer(response, asked as Asked));
  });
  server.keepAliveTimeout = 60_000;
  return listen(server);
}

async function answer(response: ServerResponse, asked: Asked): Promise<void> {
  const { model, stream = false, max_tokens: tokens = 16 } = asked;
  const head = { id: 'chatcmpl-bench', created: 1_700_000_000, model };
  const usage = { prompt_tokens: 128, completion_tokens: tokens, total_tokens: 128 + tokens };
  if (!stream) {
    const message = { role: 'assistant', content: answerOf(tokens) };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
    return;
  }
  response.setHeader('content-type', 'text/event-stream');
  const say = async (rest: object): Promise<void> => {
    const chunk = { ...head, object: 'chat.completion.chunk', ...rest };
    if (!response.write(`data: ${JSON.stringify(chunk)}\n\n`) && !response.destroyed)
      await once(response, 'drain');
  };
  for (let index = 0; index < tokens; index++)
    await say({ choices: [{ index: 0, delta: { content: tokenAt(index) }, finish_reason: null }] });
  await say({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  await say({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}
