import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link MetricsError} code. */
export interface MetricsErrorData {
  /** The endpoint cannot listen, most often because the port is taken. */
  ENDPOINT_FAILED: { readonly host: string; readonly port: number; readonly reason: string };
}

/** Closed codes of {@link MetricsError}. */
export type MetricsErrorCode = keyof MetricsErrorData;

const table: CodeTable<MetricsErrorData> = {
  ENDPOINT_FAILED: {
    message: ({ host, port, reason }) => `Cannot serve metrics on ${host}:${port}: ${reason}`,
    retryable: true,
    hint: 'Choose another port, or 0 for any free one; see what holds the port.',
  },
};

/** Metrics that cannot be given. */
export class MetricsError<C extends MetricsErrorCode = MetricsErrorCode> extends LloomError<
  C,
  MetricsErrorData[C]
> {
  constructor(code: C, data: MetricsErrorData[C], options: { cause?: unknown } = {}) {
    super('MetricsError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `MetricsError`, with that code when one is given. */
  static is<C extends MetricsErrorCode>(error: unknown, code?: C): error is MetricsError<C> {
    return isCodedError(error, 'MetricsError', code);
  }
}
