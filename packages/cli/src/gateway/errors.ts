import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link GatewayError} code. */
export interface GatewayErrorData {
  /** The body, or a header, is not what it has to be. Nothing was asked. */
  INVALID_REQUEST: { readonly param: string; readonly got: string; readonly wanted: string };
  /** Nobody serves the model, as far as could be found out in time. */
  MODEL_NOT_FOUND: { readonly model: string; readonly waitedMs: number };
  /** Those who serve the model ask for more than the request may cost. */
  PRICE_EXCEEDED: { readonly model: string; readonly maxPrice: string };
  /** Nobody who serves the model can do what the request wants beyond chat. */
  FEATURE_MISSING: { readonly model: string; readonly features: readonly string[] };
  /** Those who serve the model are not asked, for they have failed or cheated. */
  NOBODY_SUITS: { readonly model: string; readonly reasons: readonly string[] };
  /** The node is connected to nobody. */
  NOT_CONNECTED: { readonly model?: string };
  /** The time of the request was over while somebody was looked for. */
  DEADLINE: { readonly limitMs: number };
  /** So many requests are under way already. Nothing was asked. */
  TOO_MANY_REQUESTS: { readonly limit: number };
  /** The key of the caller has named another request before. Nothing was asked. */
  IDEMPOTENCY_CONFLICT: { readonly model: string };
  /** The gateway is about to stop, and takes no new requests. */
  STOPPING: { readonly url: string };
}

/** Closed codes of {@link GatewayError}. */
export type GatewayErrorCode = keyof GatewayErrorData;

const table: CodeTable<GatewayErrorData> = {
  INVALID_REQUEST: {
    message: ({ param, got, wanted }) => `Cannot use "${param}": got ${got}, want ${wanted}`,
    retryable: false,
    hint: 'Correct it.',
  },
  MODEL_NOT_FOUND: {
    message: ({ model, waitedMs }) =>
      `The model "${model}" is served by nobody who was found within ${waitedMs} ms`,
    retryable: false,
    hint: 'GET /v1/models lists what is served. A provider that was started just now needs a moment.',
  },
  PRICE_EXCEEDED: {
    message: ({ model, maxPrice }) =>
      `Whoever serves the model "${model}" asks for more than ${maxPrice} wei, or names no price`,
    retryable: false,
    hint: 'Raise x-lloom-max-price, or the --max-price of the gateway. GET /v1/models has the prices.',
  },
  FEATURE_MISSING: {
    message: ({ model, features }) => `Nobody who serves the model "${model}" offers ${features.join(', ')}`,
    retryable: false,
    hint: 'Ask another model, or leave it out.',
  },
  NOBODY_SUITS: {
    message: ({ model, reasons }) =>
      `Nobody who serves the model "${model}" is asked at present: ${reasons.join(', ')}`,
    retryable: true,
    hint: 'Try again later, or add executors.',
  },
  NOT_CONNECTED: {
    message: () => 'The gateway is connected to nobody, and goes on trying to join the network',
    retryable: true,
    hint: 'Try again in a moment. See that its --bootstrap peers run.',
  },
  DEADLINE: {
    message: ({ limitMs }) =>
      `The time of the request was over while a provider was looked for: ${limitMs} ms`,
    retryable: true,
    hint: 'Give it more time with x-lloom-timeout.',
  },
  TOO_MANY_REQUESTS: {
    message: ({ limit }) => `Cannot take the request: ${limit} are under way already`,
    retryable: true,
    hint: 'Try again when some have ended.',
  },
  IDEMPOTENCY_CONFLICT: {
    message: () => 'The Idempotency-Key has named another request before',
    retryable: false,
    hint: 'Give each request a key of its own.',
  },
  STOPPING: {
    message: () => 'The gateway is about to stop, and takes no new requests',
    retryable: true,
    hint: 'Try again when it is back.',
  },
};

/** What the gateway itself has to say about a request that it does not answer. */
export class GatewayError<C extends GatewayErrorCode = GatewayErrorCode> extends LloomError<
  C,
  GatewayErrorData[C]
> {
  constructor(code: C, data: GatewayErrorData[C], options: { cause?: unknown } = {}) {
    super('GatewayError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `GatewayError`, with that code when one is given. */
  static is<C extends GatewayErrorCode>(error: unknown, code?: C): error is GatewayError<C> {
    return isCodedError(error, 'GatewayError', code);
  }
}

/** What has to be corrected in a request. */
export function invalid(param: string, got: unknown, wanted: string): GatewayError<'INVALID_REQUEST'> {
  return new GatewayError('INVALID_REQUEST', { param, got: shown(got), wanted });
}

const maxShown = 80;

/** A value as an error shows it. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}
