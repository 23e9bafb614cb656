import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorText } from '@lloom/core';
import { resolveEndpointConfig } from '../config.ts';
import { MetricsError } from '../errors.ts';
import type { EndpointConfig, MetricsEndpoint } from '../types.ts';

/** What is served, and as what. */
interface Exposition {
  readonly body: string;
  readonly contentType: string;
}

/** How long things may take, in ms. */
interface Limits {
  /** From the first byte of a connection, or of its next request, to the last one of the request. */
  readonly requestMs: number;
  /** From there to the last byte of the answer. */
  readonly answerMs: number;
  /** Until a connection is closed that a reader keeps for its next request. */
  readonly idleMs: number;
}

const ownLimits: Limits = {
  requestMs: 5_000,
  // As long as Prometheus waits for an answer by default.
  answerMs: 10_000,
  // Prometheus comes every 15 to 60 s, and would else connect anew each time.
  idleMs: 75_000,
};
/** How often connections are looked through for requests that take too long, in parts of the time that they have. */
const looks = 5;

const maxConnections = 32;
const maxHeaderBytes = 8 * 1_024;
const maxHeaders = 64;

const path = '/metrics';

/** What the system says when it cannot listen, in words. */
const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not use the port',
};

/** What pages that were fetched from elsewhere may do with an answer: nothing. */
const commonHeaders: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
};

/** A request that is not answered with what it asks for. */
interface Denial {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const denials = {
  foreignHost: { status: 403, text: 'This host is not served.' },
  foreignOrigin: { status: 403, text: 'Pages of elsewhere are not served.' },
  noToken: {
    status: 401,
    text: 'The token is missing or wrong.',
    headers: { 'WWW-Authenticate': 'Bearer realm="metrics"' },
  },
  body: { status: 413, text: 'A request has no body here.' },
  notFound: { status: 404, text: `Only ${path} is served.` },
  otherMethod: {
    status: 405,
    text: 'Only GET and HEAD are served.',
    headers: { Allow: 'GET, HEAD' },
  },
  failed: { status: 500, text: 'The figures cannot be given.' },
} as const satisfies Record<string, Denial>;

/**
 * Opens an endpoint on this machine. `text` is asked for each time, once for all who come while it works.
 *
 * @param limits shorter times, for tests
 * @throws {ConfigError} for a configuration that is none
 * @throws {MetricsError} `ENDPOINT_FAILED`
 */
export async function openEndpoint(
  given: EndpointConfig | undefined,
  text: () => Promise<Exposition>,
  limits: Partial<Limits> = {},
): Promise<MetricsEndpoint> {
  const { host, port, token = randomBytes(32).toString('hex') } = resolveEndpointConfig(given);
  const endpoint = new Endpoint({ token, text, limits: { ...ownLimits, ...limits } });
  try {
    const address = host.includes(':') ? `[${host}]` : host;
    const url = `http://${address}:${await endpoint.listen(host, port)}${path}`;
    return { url, token, close: () => endpoint.close() };
  } catch (cause) {
    const code = (cause as { readonly code?: unknown }).code;
    const reason = listenReasons[String(code)] ?? errorText(cause);
    throw new MetricsError('ENDPOINT_FAILED', { host, port, reason }, { cause });
  }
}

interface EndpointPorts {
  readonly token: string;
  readonly text: () => Promise<Exposition>;
  readonly limits: Limits;
}

/** Follows docs/adr/0010-loopback-http.md: a page in a browser of this machine can send requests to it, and reads nothing. */
class Endpoint {
  readonly #server: Server;
  readonly #ports: EndpointPorts;
  readonly #tokenDigest: Buffer;
  #port = 0;
  #asked: Promise<Exposition> | undefined;
  /** All that are open, and of those the ones that have shown no token yet, the oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #strangers = new Set<Socket>();
  #closed: Promise<void> | undefined;

  constructor(ports: EndpointPorts) {
    this.#ports = ports;
    this.#tokenDigest = digestOf(ports.token);
    const { idleMs, requestMs } = ports.limits;
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
      // Such as too many open files: the next connection may fare better, and the node goes on.
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
    if (this.#sockets.size <= maxConnections) return;
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
    const timer = setTimeout(() => socket.destroy(), this.#ports.limits.answerMs);
    response.once('close', () => clearTimeout(timer));
    // The connection is gone: there is nobody to tell.
    response.on('error', () => undefined);
    const denial = this.#judge(request);
    if (denial !== undefined) return deny(response, denial);
    this.#strangers.delete(socket);
    try {
      const { body, contentType } = await this.#ask();
      const bytes = Buffer.from(body);
      const headers = { ...commonHeaders, 'Content-Type': contentType, 'Content-Length': bytes.length };
      response.writeHead(200, headers);
      response.end(bytes);
    } catch {
      deny(response, denials.failed);
    }
  }

  /** Why a request is denied; whoever has no token is told nothing but that. */
  #judge({ method, url, headers, rawHeaders }: IncomingMessage): Denial | undefined {
    const { host = '', origin, authorization = '' } = headers;
    if (countOf(rawHeaders, 'host') !== 1 || !this.#isOwnHost(host)) return denials.foreignHost;
    if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
      return denials.foreignOrigin;
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
    if (!timingSafeEqual(digestOf(token), this.#tokenDigest)) return denials.noToken;
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
      return denials.body;
    if (url?.split('?', 1)[0] !== path) return denials.notFound;
    return method === 'GET' || method === 'HEAD' ? undefined : denials.otherMethod;
  }

  /** Whether it names this machine as itself: a name that was pointed here by others does not count. */
  #isOwnHost(host: string): boolean {
    const [, name = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host) ?? [];
    if (port !== undefined && Number(port) !== this.#port) return false;
    return /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/i.test(name);
  }

  /**
   * The figures, worked out once for all who want them at the same time. Those that take too long are not waited for by who
   * comes later.
   */
  #ask(): Promise<Exposition> {
    if (this.#asked !== undefined) return this.#asked;
    const forget = (): void => {
      clearTimeout(timer);
      if (this.#asked === asked) this.#asked = undefined;
    };
    const timer = setTimeout(forget, this.#ports.limits.answerMs);
    timer.unref();
    const asked = Promise.resolve()
      .then(() => this.#ports.text())
      .finally(forget);
    this.#asked = asked;
    return asked;
  }
}

/** Says the last word on a connection: what else comes on it is not read. */
function deny(response: ServerResponse, { status, text, headers }: Denial): void {
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

/** Of equal length whatever it is made of, so that comparing tells nothing by its time. */
const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Of several Host headers, Node.js keeps the first. */
const countOf = (rawHeaders: readonly string[], name: string): number =>
  rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name).length;
