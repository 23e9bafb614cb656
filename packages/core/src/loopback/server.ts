import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorText } from '../errors.ts';
import type { ResolvedLoopbackConfig } from './config.ts';
import { LoopbackError } from './errors.ts';
import { Judge, targetOf, type LoopbackDenial } from './judge.ts';

export type { LoopbackDenial } from './judge.ts';

/** How long things may take, in ms, and how many connections there are at most. */
export interface LoopbackLimits {
  /** From the first byte of a connection, or of its next request, to the last one of the request. @default 5_000 */
  readonly requestMs: number;
  /** From there to the last byte of the answer, unless it is a stream. @default 10_000, as long as Prometheus waits */
  readonly answerMs: number;
  /** Until a connection is closed that a reader keeps for its next request. @default 75_000 */
  readonly idleMs: number;
  /** Where all are taken, the oldest of those goes that have shown no token. @default 32 */
  readonly maxConnections: number;
}

const ownLimits: LoopbackLimits = {
  requestMs: 5_000,
  answerMs: 10_000,
  // Prometheus comes every 15 to 60 s, and would else connect anew each time.
  idleMs: 75_000,
  maxConnections: 32,
};
/** How often connections are looked through for requests that take too long, in parts of the time that they have. */
const looks = 5;

const maxHeaderBytes = 8 * 1_024;
const maxHeaders = 64;

/** What the system says when it cannot listen, in words. */
const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not use the port',
};

/** What pages that were fetched from elsewhere may do with an answer: nothing. And a token in a URL is told to nobody. */
const commonHeaders: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A whole answer. */
export interface LoopbackContent {
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that has shown the token, and asks for a path that is served. It has no body. */
export interface LoopbackExchange {
  /** What stands behind the `?`. */
  readonly query: URLSearchParams;
  /** Gives the whole answer. */
  readonly answer: (content: LoopbackContent) => void;
  /** Says why there is none, and closes the connection. */
  readonly deny: (denial: LoopbackDenial) => void;
  /**
   * Begins an answer that takes as long as it takes: whoever writes it looks after readers that are slow. `undefined` when only the
   * headers were asked for.
   */
  readonly stream: (contentType: string) => ServerResponse | undefined;
}

/** What a server serves, and to whom. */
export interface LoopbackRules {
  /** What the token is for, in the answer to who shows none. */
  readonly realm: string;
  /** Whether the token may stand in the URL as `token`, for what browsers open. @default false */
  readonly isTokenInUrl?: boolean;
  /** By path. What one throws is answered by status 500, and not told. */
  readonly paths: Readonly<Record<string, (exchange: LoopbackExchange) => Promise<void> | void>>;
  readonly limits?: Partial<LoopbackLimits>;
}

/** A server that is open. */
export interface LoopbackServer {
  /** Where it answers, without a path: `http://127.0.0.1:9464`. */
  readonly origin: string;
  readonly token: string;
  /** Closes it, and what is open to it. Harmless when it is closed. */
  readonly close: () => Promise<void>;
}

/**
 * Opens a server on this machine.
 *
 * @throws {LoopbackError} `LISTEN_FAILED`
 * @example
 * ```ts
 * const hello = ({ answer }: LoopbackExchange): void => answer({ contentType: 'text/plain', body: 'Hello' });
 * const config = resolveLoopbackConfig('hello', { port: 8080 });
 * const { origin, token } = await openLoopback(config, { realm: 'hello', paths: { '/': hello } });
 * ```
 */
export async function openLoopback(
  config: ResolvedLoopbackConfig,
  rules: LoopbackRules,
): Promise<LoopbackServer> {
  const { host, port, token = randomBytes(32).toString('hex') } = config;
  const endpoint = new Endpoint(token, rules);
  try {
    const name = host.includes(':') ? `[${host}]` : host;
    const origin = `http://${name}:${await endpoint.listen(host, port)}`;
    return { origin, token, close: () => endpoint.close() };
  } catch (cause) {
    const code = (cause as { readonly code?: unknown }).code;
    const reason = listenReasons[String(code)] ?? errorText(cause);
    throw new LoopbackError('LISTEN_FAILED', { host, port, reason }, { cause });
  }
}

const failed: LoopbackDenial = { status: 500, text: 'What is asked for cannot be given.' };

/** The server behind {@link openLoopback}. */
class Endpoint {
  readonly #server: Server;
  readonly #paths: ReadonlyMap<string, LoopbackRules['paths'][string]>;
  readonly #limits: LoopbackLimits;
  readonly #judge: Judge;
  #port = 0;
  /** All that are open, and of those the ones that have shown no token yet, the oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #strangers = new Set<Socket>();
  #closed: Promise<void> | undefined;

  constructor(token: string, { realm, isTokenInUrl = false, paths, limits }: LoopbackRules) {
    this.#paths = new Map(Object.entries(paths));
    this.#limits = { ...ownLimits, ...limits };
    this.#judge = new Judge({ token, realm, isTokenInUrl, paths: [...this.#paths.keys()] });
    const { idleMs, requestMs } = this.#limits;
    this.#server = createServer(
      {
        maxHeaderSize: maxHeaderBytes,
        headersTimeout: requestMs,
        requestTimeout: requestMs,
        connectionsCheckingInterval: Math.ceil(requestMs / looks),
        keepAliveTimeout: idleMs,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxHeadersCount = maxHeaders;
    this.#server.on('connection', (socket) => this.#admit(socket));
  }

  /** Resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const server = this.#server;
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      this.#port = typeof address === 'object' && address !== null ? address.port : port;
      server.off('error', reject);
      // Such as too many open files: the next connection may fare better, and the program goes on.
      server.on('error', () => undefined);
      resolve(this.#port);
    });
    return promise;
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closed;
  }

  /** Whoever has no token must not keep out who has one: where all places are taken, the oldest of those goes. */
  #admit(socket: Socket): void {
    this.#sockets.add(socket);
    this.#strangers.add(socket);
    socket.once('close', () => this.#forget(socket));
    if (this.#sockets.size <= this.#limits.maxConnections) return;
    const [oldest = socket] = this.#strangers;
    // It is closed a moment later, and others come until then.
    this.#forget(oldest);
    oldest.destroy();
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#strangers.delete(socket);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const timer = setTimeout(() => socket.destroy(), this.#limits.answerMs);
    response.once('close', () => clearTimeout(timer));
    // The connection is gone: there is nobody to tell.
    response.on('error', () => undefined);
    const denial = this.#judge.judge(request, this.#port);
    if (denial !== undefined) return deny(response, denial);
    this.#strangers.delete(socket);
    const { path, query } = targetOf(request);
    try {
      await this.#paths.get(path)?.({
        query,
        answer: (content) => answer(response, content),
        deny: (reason) => deny(response, reason),
        stream: (contentType) => {
          clearTimeout(timer);
          response.writeHead(200, { ...commonHeaders, 'Content-Type': contentType });
          if (request.method !== 'HEAD') return response;
          response.end();
          return undefined;
        },
      });
    } catch {
      deny(response, failed);
    }
  }
}

function answer(response: ServerResponse, { contentType, body, headers }: LoopbackContent): void {
  const bytes = Buffer.from(body);
  const length = { 'Content-Type': contentType, 'Content-Length': bytes.length };
  response.writeHead(200, { ...commonHeaders, ...headers, ...length });
  response.end(bytes);
}

/** Says the last word on a connection: what else comes on it is not read. */
function deny(response: ServerResponse, { status, text, headers }: LoopbackDenial): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, {
    ...commonHeaders,
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  });
  response.end(text);
}
