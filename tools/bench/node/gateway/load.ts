import { Agent, request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { answerOf } from './backend.ts';

/** Where questions go. */
export interface Target {
  readonly port: number;
  readonly key: string;
  readonly model: string;
}

/** What is asked for. */
export interface Load {
  readonly target: Target;
  /** How many questions are under way at any time. */
  readonly inFlight: number;
  /** When no more are begun, in ms from the start. Each place in flight has at least one. */
  readonly ms: number;
  /** Tokens of each answer. */
  readonly tokens: number;
  readonly isStreamed: boolean;
}

/** What came of it, from the start until everything under way had ended. */
export interface Done {
  readonly answers: number;
  readonly elapsedMs: number;
  /** How long half of the streamed answers took at most to the first of their text. */
  readonly firstTokenMs: number;
}

const agent = new Agent({ keepAlive: true });
/** About as much as people write. */
const prompt = 'How does a client find a model in this network? '.repeat(10);

function send(body: Buffer, { port, key }: Target): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-length': body.length,
    };
    const path = '/v1/chat/completions';
    const sent = request({ host: '127.0.0.1', port, method: 'POST', path, headers, agent }, resolve);
    sent.once('error', reject);
    sent.end(body);
  });
}

/** The text of one answer, and when its first piece came, in ms of this process. */
async function read(response: IncomingMessage, isStreamed: boolean): Promise<{ text: string; at: number }> {
  if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${await readAll(response)}`);
  if (!isStreamed) {
    const { choices } = JSON.parse(await readAll(response)) as {
      choices: { message: { content: string } }[];
    };
    return { text: choices[0]!.message.content, at: performance.now() };
  }
  let text = '';
  let at = 0;
  for await (const line of createInterface({ input: response })) {
    if (!line.startsWith('data: {')) continue;
    const { choices } = JSON.parse(line.slice(6)) as { choices?: { delta?: { content?: string } }[] };
    const piece = choices?.[0]?.delta?.content ?? '';
    if (text === '' && piece !== '') at = performance.now();
    text += piece;
  }
  return { text, at };
}

/**
 * Keeps so many questions under way.
 * @throws when an answer is not whole
 */
export async function runLoad({ target, inFlight, ms, tokens, isStreamed }: Load): Promise<Done> {
  const messages = [{ role: 'user', content: prompt }];
  const asked = { model: target.model, messages, max_tokens: tokens, stream: isStreamed };
  const body = Buffer.from(JSON.stringify(asked));
  const wanted = answerOf(tokens);
  const firstTokens: number[] = [];
  const start = performance.now();
  const place = async (): Promise<void> => {
    do {
      const askedAt = performance.now();
      const { text, at } = await read(await send(body, target), isStreamed);
      if (text !== wanted) throw new Error(`An answer is not what the backend says: ${text.slice(0, 200)}`);
      firstTokens.push(at - askedAt);
    } while (performance.now() - start < ms);
  };
  await Promise.all(Array.from({ length: inFlight }, place));
  const elapsedMs = performance.now() - start;
  const sorted = firstTokens.toSorted((a, b) => a - b);
  const firstTokenMs = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return { answers: sorted.length, elapsedMs, firstTokenMs };
}
