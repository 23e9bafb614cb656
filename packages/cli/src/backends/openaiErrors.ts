import { errorText } from '@lloom/core';
import { BackendError } from './errors.ts';

/** What an error says about the exchange that it ended. */
export interface FailureContext {
  /** The server, as it may be shown. */
  readonly server: string;
  readonly model: string;
  /** Never to be shown. */
  readonly secret: string;
  /** How many chunks had arrived. */
  readonly chunks?: number;
}

/** A base URL as it may be shown: without query. */
export function describeServer(baseUrl: string): string {
  const { protocol, host, pathname } = new URL(baseUrl);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

/** What the library threw, as an error of this package. The cause is left out: it may hold headers. */
export function toBackendError(error: unknown, context: FailureContext): BackendError {
  if (BackendError.is(error)) return error;
  const { server, chunks = 0 } = context;
  const status = (error as { status?: unknown } | undefined)?.status;
  if (typeof status === 'number') return ofStatus(error as HttpFailure, context);
  if (error instanceof SyntaxError) {
    return new BackendError('INVALID_RESPONSE', { server, reason: 'a chunk of the stream is not JSON' });
  }
  // A connection that breaks is a TypeError, too, but has a cause.
  if (error instanceof TypeError && error.cause === undefined) {
    return new BackendError('INVALID_RESPONSE', {
      server,
      reason: 'a chunk of the stream is not in the format',
    });
  }
  if (isSaidInStream(error)) {
    return new BackendError('SERVER_FAILED', { server, remoteMessage: redact(error, context) });
  }
  if (isConnectionFailure(error)) {
    return new BackendError('UNREACHABLE', { server, reason: connectionProblem(error) });
  }
  return new BackendError('BROKEN_OFF', { server, chunks });
}

interface HttpFailure extends Error {
  readonly status: number;
  readonly headers?: Headers;
}

function ofStatus(error: HttpFailure, context: FailureContext): BackendError {
  const { status } = error;
  const said = { server: context.server, status, remoteMessage: redact(error, context) };
  if (status === 401 || status === 403) return new BackendError('UNAUTHORIZED', said);
  if (status === 404) return new BackendError('MODEL_UNKNOWN', { ...said, model: context.model });
  if (status === 429) {
    const retryAfterMs = retryAfter(error.headers);
    return new BackendError('BUSY', { ...said, ...(retryAfterMs !== undefined && { retryAfterMs }) });
  }
  return new BackendError(status >= 500 ? 'SERVER_FAILED' : 'REJECTED', said);
}

/** When to come back: `Retry-After` in seconds or as a date, or the finer header that some servers send. */
function retryAfter(headers: Headers | undefined): number | undefined {
  const after = headers?.get('retry-after') ?? '';
  const exact = headers?.get('retry-after-ms') ?? '';
  let wait = Date.parse(after) - Date.now();
  if (/^\d+(\.\d+)?$/.test(after)) wait = Number(after) * 1_000;
  if (/^\d+(\.\d+)?$/.test(exact)) wait = Number(exact);
  return Number.isFinite(wait) ? Math.min(Math.max(Math.ceil(wait), 0), hourMs) : undefined;
}

const hourMs = 3_600_000;

function redact(error: unknown, { secret }: FailureContext): string {
  const said = error instanceof Error ? error.message || error.name : String(error);
  const shown = secret === '' ? said : said.replaceAll(secret, '[key]');
  return errorText(shown);
}

/** The library wraps an error event of the stream like an HTTP error without status. */
function isSaidInStream(error: unknown): boolean {
  return error instanceof Error && 'error' in error && error.error !== undefined;
}

function isConnectionFailure(error: unknown): boolean {
  return error instanceof Error && error.constructor.name.startsWith('APIConnection');
}

function connectionProblem(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string') return code;
    if (cause instanceof AggregateError && cause.errors.length > 0) return connectionProblem(cause.errors[0]);
  }
  return errorText(error, 120);
}
