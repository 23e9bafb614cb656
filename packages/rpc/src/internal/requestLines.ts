import type { Span } from '@lloom/core';
import type { LogFields, Network } from '../ports.ts';
import type { PendingRequest } from '../types.ts';

/** A request, as lines of the log name it. */
export interface LoggedRequest extends Pick<PendingRequest, 'requestId' | 'peerId' | 'method'> {
  /** The idempotency key of a question, by which the lines of both nodes are joined. @default it is none, or not known yet */
  readonly key?: string | undefined;
  /** What follows it; `undefined`: nothing does. */
  readonly span: Span | undefined;
}

/** Why it was not answered. */
export interface LoggedFailure {
  /** A code of `RpcError`. */
  readonly code: string;
  /** In words of this package. @default there is no more to say than the code does */
  readonly reason?: string | undefined;
}

/** How a request ended. */
interface LoggedEnd {
  /** As figures name it. */
  readonly outcome: string;
  readonly failure?: LoggedFailure | undefined;
  /** How often it was made. */
  readonly attempts?: number;
  readonly elapsedMs: number;
}

/** Whose request a line is about. */
type Asker = 'this node' | 'a peer';

/** Writes the lines of requests: when they begin, when they end, and what goes wrong beside them. */
export class RequestLines {
  readonly #log: Pick<Network, 'isTraced' | 'trace' | 'log'>;

  constructor(log: Pick<Network, 'isTraced' | 'trace' | 'log'>) {
    this.#log = log;
  }

  /** Whether anybody reads when requests begin and end. */
  get isRead(): boolean {
    return this.#log.isTraced;
  }

  began(asker: Asker, request: LoggedRequest): void {
    if (this.isRead) this.#log.trace(`a request of ${asker} begins %o`, namesOf(request));
  }

  ended(asker: Asker, request: LoggedRequest, end: LoggedEnd): void {
    if (this.isRead)
      this.#log.trace(`a request of ${asker} ended %o`, { ...namesOf(request), ...endOf(end) });
  }

  /** One that has no id: it was refused before it was made, or read. */
  refused(
    asker: Asker,
    request: { readonly method: string; readonly peerId?: string },
    end: LoggedEnd,
  ): void {
    if (this.isRead) this.#log.trace(`a request of ${asker} was refused %o`, { ...request, ...endOf(end) });
  }

  /** Something went wrong of which nobody else is told. */
  trouble(text: string, error: unknown, request: LoggedRequest): void {
    this.#log.log(text, error, namesOf(request));
  }
}

function namesOf({ requestId, peerId, method, key, span }: LoggedRequest): LogFields {
  return {
    ...{ requestId, peerId, method },
    ...(key !== undefined && { key }),
    ...(span !== undefined && { traceId: traceIdOf(span) }),
  };
}

function endOf({ outcome, failure, attempts, elapsedMs }: LoggedEnd): LogFields {
  return {
    outcome,
    ...(failure !== undefined && { code: failure.code }),
    ...(failure?.reason !== undefined && { reason: failure.reason }),
    ...(attempts !== undefined && { attempts }),
    ms: Math.round(elapsedMs),
  };
}

const traceIdOf = ({ traceparent }: Span): string => traceparent.split('-')[1] ?? '';
