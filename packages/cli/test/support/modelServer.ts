import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the server got it. */
export interface SeenRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
  /** Resolves when the connection of the request is closed. */
  readonly closed: Promise<unknown>;
}

/** Answers one request. */
export type Reply = (response: ServerResponse, seen: SeenRequest) => unknown;

/** A server on 127.0.0.1 that speaks the chat completions format as far as a test wants it to. */
export class ModelServer {
  readonly seen: SeenRequest[] = [];
  reply: Reply = (response) => streamText(response, ['Hello', ' there']);
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers, socket } = request;
        const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>;
        const closed = new Promise((resolve) => socket.once('close', resolve));
        const seen = { method, url, headers, body, closed };
        this.seen.push(seen);
        this.reply(response, seen);
      });
    });
  }

  static async start(): Promise<ModelServer> {
    const server = new ModelServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** One event of a stream. */
export const event = (data: unknown): string =>
  `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

/** A chunk with some text. */
export const textChunk = (content: string): string => event({ choices: [{ index: 0, delta: { content } }] });

/** A chunk that ends the text. */
export const lastChunk = (finishReason = 'stop'): string =>
  event({ choices: [{ index: 0, delta: {}, finish_reason: finishReason }] });

/** Begins a stream of events. */
export function startStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
}

/** A whole answer, with the usage that the request asked for. */
export function streamText(
  response: ServerResponse,
  texts: readonly string[],
  config: { readonly usage?: object; readonly finishReason?: string } = {},
): void {
  startStream(response);
  for (const text of texts) response.write(textChunk(text));
  response.write(lastChunk(config.finishReason));
  if (config.usage !== undefined) response.write(event({ choices: [], usage: config.usage }));
  response.end(event('[DONE]'));
}

/** An error as such servers write it. */
export function replyError(
  response: ServerResponse,
  status: number,
  config: { readonly message?: string; readonly headers?: Record<string, string> } = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...config.headers });
  response.end(JSON.stringify({ error: { message: config.message ?? 'no', type: 'error', code: null } }));
}
