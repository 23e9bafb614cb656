import { randomBytes } from 'node:crypto';
import type * as Http from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { errorText } from '../errors.ts';
import type { ResolvedLoopbackConfig } from './config.ts';
import { LoopbackError } from './errors.ts';
import { Judge, targetOf } from './judge.ts';
import {
  answer,
  answerPreflight,
  commonHeaders,
  deny,
  originHeaders,
  plainDenial,
  readBody,
  BodyRoom,
} from './reply.ts';
import type {
  LoopbackContent,
  LoopbackDenial,
  LoopbackExchange,
  LoopbackLimits,
  LoopbackPath,
  LoopbackRules,
  LoopbackServer,
} from './types.ts';

const ownLimits: LoopbackLimits = {
  requestMs: 5_000,
  answerMs: 10_000,
  // Prometheus comes every 15 to 60 s, and would else connect anew each time.
  idleMs: 75_000,
  maxConnections: 32,
  maxBodiesBytes: 64 * 1_024 * 1_024,
};
/** How often connections are looked through for requests that take too long, in parts of the time that they have. */
const looks = 5;

/** Requests of one connection at the same time: programs wait for an answer before they ask again, or ask for a few. */
const maxUnderWay = 32;

const maxHeaderBytes = 8 * 1_024;
const maxHeaders = 64;

/** What the system says when it cannot listen, in words. */
const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not use the port',
};

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
  const endpoint = new Endpoint({ ...config, token }, rules);
  try {
    const origin = originOf(config, await endpoint.listen(host, port));
    return { origin, token, close: () => endpoint.close() };
  } catch (cause) {
    const code = (cause as { readonly code?: unknown }).code;
    const reason = listenReasons[String(code)] ?? errorText(cause);
    throw new LoopbackError('LISTEN_FAILED', { host, port, reason }, { cause });
  }
}

/** Where it answers: under the first of its names where it listens for others. */
function originOf({ host, allowedHosts: [name] }: ResolvedLoopbackConfig, port: number): string {
  if (name === undefined || /^(?:127\.|::1$)/.test(host))
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `http://${name}${/:\d+$/.test(name) ? '' : `:${port}`}`;
}

const failed: LoopbackDenial = { status: 500, text: 'What is asked for cannot be given.' };
const isDenial = (value: Uint8Array | LoopbackDenial): value is LoopbackDenial => 'status' in value;

/** The server behind {@link openLoopback}. */
class Endpoint {
  readonly #server: Server;
  readonly #limits: LoopbackLimits;
  readonly #bodies: BodyRoom;
  readonly #judge: Judge;
  readonly #denialContent: NonNullable<LoopbackRules['denialContent']>;
  #port = 0;
  /** All that are open, and of those the ones that have shown no token yet, the oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #strangers = new Set<Socket>();
  /** How many requests of each are under way. */
  readonly #underWay = new WeakMap<Socket, number>();
  #closed: Promise<void> | undefined;

  constructor(
    { token, allowedHosts, allowedOrigins }: ResolvedLoopbackConfig & { readonly token: string },
    { realm, isTokenInUrl = false, paths, limits, denialContent = plainDenial }: LoopbackRules,
  ) {
    const served = Object.entries(paths).map(
      ([name, path]) => [name, typeof path === 'function' ? { serve: path } : path] as const,
    );
    this.#limits = { ...ownLimits, ...limits };
    this.#bodies = new BodyRoom(this.#limits.maxBodiesBytes);
    this.#denialContent = denialContent;
    this.#judge = new Judge({
      ...{ token, realm, isTokenInUrl, allowedHosts, allowedOrigins },
      paths: new Map<string, LoopbackPath>(served),
    });
    const { idleMs, requestMs } = this.#limits;
    // Not imported: that reads every export of it, one of which has Node set up its HTTP client, at 50 ms of every start.
    const { createServer } = createRequire(import.meta.url)('node:http') as typeof Http;
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
    if (!this.#hasRoom(response)) return void request.socket.destroy();
    const timer = new AnswerTimer(request.socket, this.#limits.answerMs);
    response.once('close', () => timer.stop());
    // The connection is gone: there is nobody to tell.
    response.on('error', () => undefined);
    const { origin = '' } = request.headers;
    if (this.#judge.allowsOrigin(origin))
      for (const [name, value] of Object.entries(originHeaders(origin))) response.setHeader(name, value);
    const verdict = this.#judge.judge(request, this.#port);
    if (verdict.kind === 'preflight') return answerPreflight(request, response);
    if (verdict.kind === 'denied') return this.#deny(response, verdict.denial);
    const { serve, isOpen = false, isPatient = false, maxBodyBytes = 0 } = verdict.path;
    if (!isOpen) this.#strangers.delete(request.socket);
    const body = maxBodyBytes === 0 ? new Uint8Array() : await readBody(response, maxBodyBytes, this.#bodies);
    if (body === undefined) return;
    if (isDenial(body)) return this.#deny(response, body);
    if (isPatient) timer.stop();
    try {
      await serve(this.#exchange(body, response, timer));
    } catch {
      this.#deny(response, failed);
    }
  }

  /** Whether the connection may have another request under way. */
  #hasRoom(response: ServerResponse): boolean {
    const { socket } = response.req;
    const count = this.#underWay.get(socket) ?? 0;
    if (count >= maxUnderWay) return false;
    this.#underWay.set(socket, count + 1);
    response.once('close', () => this.#underWay.set(socket, (this.#underWay.get(socket) ?? 1) - 1));
    return true;
  }

  #exchange(body: Uint8Array, response: ServerResponse, timer: AnswerTimer): LoopbackExchange {
    const { method = '', headers } = response.req;
    const controller = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) controller.abort();
    });
    return {
      ...targetOf(response.req),
      ...{ method, headers, body, signal: controller.signal },
      answer: (content) => {
        timer.start();
        answer(response, content);
      },
      deny: (reason) => {
        timer.start();
        this.#deny(response, reason);
      },
      stream: (contentType, more) => {
        timer.stop();
        response.writeHead(200, { ...commonHeaders, ...more, 'Content-Type': contentType });
        if (method !== 'HEAD') return response;
        response.end();
        return undefined;
      },
    };
  }

  #deny(response: ServerResponse, denial: LoopbackDenial): void {
    const content: LoopbackContent = { ...this.#denialContent(denial), status: denial.status };
    deny(response, { ...content, headers: { ...denial.headers, ...content.headers } });
  }
}

/** Closes a connection on which an answer takes too long. */
class AnswerTimer {
  readonly #socket: Socket;
  readonly #ms: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, ms: number) {
    this.#socket = socket;
    this.#ms = ms;
    this.start();
  }

  /** From now, unless it runs. */
  start(): void {
    this.#timer ??= setTimeout(() => this.#socket.destroy(), this.#ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
