import {
  CodecError,
  DiscoveryError,
  RpcError,
  type AnswerShare,
  type LloomError,
  type RpcErrorCode,
} from '@lloom/behaviour';
import type { LoopbackContent, LoopbackDenial } from '@lloom/core/loopback';
import { GatewayError, type GatewayErrorCode } from './errors.ts';

/** What is owed for an answer that broke off. */
export interface Owed {
  /** As much of the text as there is, where the caller has not seen it. */
  readonly content?: string;
  readonly shares: readonly AnswerShare[];
  readonly totalCost: string;
}

/** A failure as callers over HTTP are told of it. */
export interface Failure {
  readonly status: number;
  /** In lower snake case. */
  readonly code: string;
  readonly message: string;
  /** The field or header that has to be corrected. */
  readonly param: string | null;
  /** Whether the same request may fare better later. */
  readonly isRetryable: boolean;
  /** When, from now. */
  readonly retryAfterMs?: number;
  readonly owed?: Owed;
}

const rpcStatuses: Readonly<Partial<Record<RpcErrorCode, number>>> = {
  TIMEOUT: 504,
  FIRST_BYTE_TIMEOUT: 504,
  IDLE_TIMEOUT: 504,
  BUSY: 429,
  RATE_LIMITED: 429,
  PENDING_LIMIT: 429,
  PEER_AVOIDED: 503,
  MODEL_UNAVAILABLE: 404,
  PRICE_EXCEEDED: 402,
  IDEMPOTENCY_CONFLICT: 409,
  STOPPED: 503,
  CANCELLED: 499,
  MISSING_PORT: 500,
  MIDDLEWARE_FAILED: 500,
};

const gatewayStatuses: Readonly<Record<GatewayErrorCode, number>> = {
  INVALID_REQUEST: 400,
  MODEL_NOT_FOUND: 404,
  PRICE_EXCEEDED: 402,
  FEATURE_MISSING: 400,
  NOBODY_SUITS: 503,
  NOT_CONNECTED: 503,
  DEADLINE: 504,
  TOO_MANY_REQUESTS: 429,
  IDEMPOTENCY_CONFLICT: 409,
  STOPPING: 503,
};

/** When to try again, where nobody says. In ms. */
const usualRetryMs = 1_000;

/** Codes that say the same to a caller as one of the gateway's own. */
const renamed: Readonly<Record<string, string>> = {
  MODEL_UNAVAILABLE: 'model_not_found',
  TIMEOUT: 'deadline',
};

/** Anything that was thrown, as callers are told of it; what nobody foresaw is not told. */
export function failureOf(error: unknown): Failure {
  if (RpcError.is(error, 'PARTIAL_ANSWER')) {
    const { failure } = error.data;
    const status = rpcStatuses[failure] === 504 || rpcStatuses[failure] === 503 ? rpcStatuses[failure] : 502;
    return { ...plain(error, status ?? 502), isRetryable: error.retryable };
  }
  if (RpcError.is(error, 'TOO_LARGE')) return plain(error, error.data.what === 'request' ? 413 : 502);
  if (RpcError.is(error)) return withRetry(plain(error, rpcStatuses[error.code] ?? 502), error);
  if (GatewayError.is(error)) {
    const param = GatewayError.is(error, 'INVALID_REQUEST') ? error.data.param : (params[error.code] ?? null);
    return withRetry({ ...plain(error, gatewayStatuses[error.code]), param }, error);
  }
  if (CodecError.is(error, 'INVALID_FIELD'))
    return { ...plain(error, 400), param: error.data.path.replace(/^LlmRequest\./, '') };
  if (CodecError.is(error, 'TOO_LARGE')) return plain(error, 413);
  if (DiscoveryError.is(error)) return plain(error, 503);
  return {
    ...{ status: 500, code: 'internal', param: null, isRetryable: false },
    message: 'The gateway failed, and its operator can find out why.',
  };
}

/** A failure that came when an answer had begun. Programs do not ask again by themselves for what would be owed a second time. */
export function whereOwed({ retryAfterMs, ...failure }: Failure, owed: Owed): Failure {
  if (BigInt(owed.totalCost) > 0n) return { ...failure, owed, isRetryable: false };
  return { ...failure, owed, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function plain(error: LloomError, status: number): Failure {
  const { remoteMessage } = error.data as { readonly remoteMessage?: string };
  const said = remoteMessage === undefined || remoteMessage === '' ? '' : ` It said: ${remoteMessage}.`;
  const hint = GatewayError.is(error) ? ` ${error.hint}` : '';
  return {
    status,
    code: renamed[error.code] ?? error.code.toLowerCase(),
    message: `${error.message}.${said}${hint}`,
    param: null,
    isRetryable: error.retryable,
  };
}

const params: Readonly<Partial<Record<GatewayErrorCode, string>>> = {
  MODEL_NOT_FOUND: 'model',
  FEATURE_MISSING: 'tools',
};

function withRetry(failure: Failure, { data }: LloomError): Failure {
  if (failure.status !== 429 && failure.status !== 503) return failure;
  const { retryAfterMs = usualRetryMs } = data as { readonly retryAfterMs?: number };
  return failure.isRetryable ? { ...failure, retryAfterMs } : failure;
}

/** What OpenAI calls such failures. */
function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** The body of a failure, in the shape of OpenAI. */
export function failureBody({ status, code, message, param, owed }: Failure): object {
  const error = { message, type: typeOf(status), param, code };
  return owed === undefined ? { error } : { error, lloom: owed };
}

/** A failure as a whole HTTP answer. */
export function failureContent(failure: Failure): LoopbackContent {
  const { status, retryAfterMs, isRetryable } = failure;
  return {
    status,
    contentType: 'application/json',
    body: JSON.stringify(failureBody(failure)),
    headers: {
      // By their status alone, programs would try again.
      ...(!isRetryable &&
        (status >= 500 || status === 409 || status === 429) && { 'x-should-retry': 'false' }),
      ...(retryAfterMs !== undefined && {
        'Retry-After': String(Math.ceil(retryAfterMs / 1_000)),
        'retry-after-ms': String(Math.ceil(retryAfterMs)),
      }),
    },
  };
}

const denialCodes: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  403: 'forbidden',
  404: 'unknown_path',
  405: 'method_not_allowed',
  413: 'too_large',
  503: 'too_much_at_once',
};

/** What the server itself says to a request that is not for it. */
export function denialContent({ status, text }: LoopbackDenial): Omit<LoopbackContent, 'status'> {
  const message =
    status === 401 ? 'The API key is missing or wrong. It stands in the file of --api-key-file.' : text;
  const code = denialCodes[status] ?? 'internal';
  return failureContent({ status, code, message, param: null, isRetryable: status === 503 });
}
