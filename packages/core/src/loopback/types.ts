import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

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
  /** How many bytes the bodies of all requests that are under way have together. @default 67_108_864, 64 MiB */
  readonly maxBodiesBytes: number;
}

/** A whole answer. */
export interface LoopbackContent {
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** @default 200 */
  readonly status?: number;
}

/** A request that is not answered with what it asks for. */
export interface LoopbackDenial {
  readonly status: number;
  /** For people, in plain words. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that may be answered: it has shown the token, unless its path is open, and asks for a path that is served. */
export interface LoopbackExchange {
  readonly method: string;
  /** As it stands in the request, not decoded, without what follows the `?`. */
  readonly path: string;
  /** What stands behind the `?`. */
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** All that was sent; empty where a path takes no body. */
  readonly body: Uint8Array;
  /** Fires when the reader is gone before it has the whole answer. */
  readonly signal: AbortSignal;
  /** Gives the whole answer. */
  readonly answer: (content: LoopbackContent) => void;
  /** Says why there is none, and closes the connection. */
  readonly deny: (denial: LoopbackDenial) => void;
  /**
   * Begins an answer that takes as long as it takes: whoever writes it looks after readers that are slow. `undefined` when only the
   * headers were asked for.
   */
  readonly stream: (
    contentType: string,
    headers?: Readonly<Record<string, string>>,
  ) => ServerResponse | undefined;
}

/** Answers a request. What it throws is answered by status 500, and not told. */
export type LoopbackServe = (exchange: LoopbackExchange) => Promise<void> | void;

/** How a path is served. */
export interface LoopbackPath {
  readonly serve: LoopbackServe;
  /** What may be done with it. @default 'GET', and HEAD with it */
  readonly method?: 'GET' | 'POST';
  /** Whether whoever shows no token is answered, too. Host and Origin are looked at all the same. @default false */
  readonly isOpen?: boolean;
  /** How large the body of a request may be. @default 0 - it has none */
  readonly maxBodyBytes?: number;
  /**
   * Whether its answer may be long in coming: `answerMs` then begins when it is given, and whoever serves it sees to the time until
   * then.
   * @default false
   */
  readonly isPatient?: boolean;
}

/** What a server serves, and to whom. */
export interface LoopbackRules {
  /** What the token is for, in the answer to who shows none. */
  readonly realm: string;
  /** Whether the token may stand in the URL as `token`, for what browsers open. @default false */
  readonly isTokenInUrl?: boolean;
  /** By path; one that ends with `*` stands for all that begin like it and go on, where no other one fits. */
  readonly paths: Readonly<Record<string, LoopbackServe | LoopbackPath>>;
  /** The form in which denials are told. @default plain text */
  readonly denialContent?: (denial: LoopbackDenial) => Omit<LoopbackContent, 'status'>;
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
