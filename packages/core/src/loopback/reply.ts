import type { IncomingMessage, ServerResponse } from 'node:http';
import { tooLarge } from './judge.ts';
import type { LoopbackContent, LoopbackDenial } from './types.ts';

/** What pages that were fetched from elsewhere may do with an answer: nothing. And a token in a URL is told to nobody. */
export const commonHeaders: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** How long a browser may remember what a preflight said, in seconds. */
const rememberedSeconds = 600;

/** What an origin that was allowed by name is told: it may read the answer, headers included. */
export function originHeaders(origin: string): Readonly<Record<string, string>> {
  return { 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': '*', Vary: 'Origin' };
}

/** Tells a browser that a page of an allowed origin may send what it wants to: the request itself is judged when it comes. */
export function answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  const wanted = headers['access-control-request-headers'];
  response.writeHead(204, {
    ...commonHeaders,
    'Access-Control-Allow-Methods': 'GET, HEAD, POST',
    ...(wanted !== undefined && { 'Access-Control-Allow-Headers': wanted }),
    // Asked for by pages of the Internet that speak to this machine.
    ...(headers['access-control-request-private-network'] === 'true' && {
      'Access-Control-Allow-Private-Network': 'true',
    }),
    'Access-Control-Max-Age': String(rememberedSeconds),
  });
  response.end();
}

/** Gives a whole answer. */
export function answer(
  response: ServerResponse,
  { contentType, body, headers, status = 200 }: LoopbackContent,
): void {
  const bytes = Buffer.from(body);
  const length = { 'Content-Type': contentType, 'Content-Length': bytes.length };
  response.writeHead(status, { ...commonHeaders, ...headers, ...length });
  response.end(bytes);
}

/** A denial as plain text. */
export const plainDenial = ({ text }: LoopbackDenial): Omit<LoopbackContent, 'status'> => ({
  contentType: 'text/plain; charset=utf-8',
  body: text,
});

/** Says the last word on a connection. What else comes on it is dropped: closed upon what was sent, the reader would lose the answer. */
export function deny(response: ServerResponse, content: LoopbackContent): void {
  if (response.headersSent) return void response.destroy();
  const { contentType, body, headers, status = 500 } = content;
  response.writeHead(status, {
    ...commonHeaders,
    ...headers,
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  const request = response.req;
  if (request.readableEnded || !hasBody(request)) return void response.end(body);
  response.write(body);
  const end = (): void => void response.end();
  request.once('end', end).once('close', end).on('error', end).resume();
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/** What the bodies of all requests under way may have together: each is held until it is answered. */
export class BodyRoom {
  #bytes: number;
  readonly #held = new WeakMap<ServerResponse, number>();

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Takes room until the response is over. @returns whether there is as much */
  take(response: ServerResponse, bytes: number): boolean {
    if (bytes > this.#bytes) return false;
    const held = this.#held.get(response);
    if (held === undefined) response.once('close', () => (this.#bytes += this.#held.get(response) ?? 0));
    this.#held.set(response, (held ?? 0) + bytes);
    this.#bytes -= bytes;
    return true;
  }
}

const noRoom: LoopbackDenial = {
  status: 503,
  text: 'Too much is being sent at this moment. Try again.',
  headers: { 'Retry-After': '1' },
};

/** Of a body that is too large, so many times its limit is dropped before the connection goes. */
const droppedTimes = 4;

/**
 * All that was sent with a request.
 * @returns a denial when it is too large; `undefined` when the connection has gone
 */
export function readBody(
  response: ServerResponse,
  maxBytes: number,
  room: BodyRoom,
): Promise<Uint8Array | LoopbackDenial | undefined> {
  const { req: request } = response;
  const { promise, resolve } = Promise.withResolvers<Uint8Array | LoopbackDenial | undefined>();
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  request.on('data', (part: Buffer) => {
    sizeBytes += part.length;
    const isTooLarge = sizeBytes > maxBytes;
    if (!isTooLarge && room.take(response, part.length)) return void parts.push(part);
    parts = [];
    resolve(isTooLarge ? tooLarge(maxBytes) : noRoom);
    if (sizeBytes > maxBytes * droppedTimes) request.destroy();
  });
  request.once('end', () => resolve(Buffer.concat(parts)));
  request.once('close', () => resolve(undefined)).on('error', () => resolve(undefined));
  return promise;
}
