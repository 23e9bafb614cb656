import { isCodedError, LloomError, type CodeTable } from '../errors.ts';

/** The data of each {@link LoopbackError} code. */
export interface LoopbackErrorData {
  /** The server cannot listen, most often because the port is taken. */
  LISTEN_FAILED: { readonly host: string; readonly port: number; readonly reason: string };
}

/** Closed codes of {@link LoopbackError}. */
export type LoopbackErrorCode = keyof LoopbackErrorData;

const table: CodeTable<LoopbackErrorData> = {
  LISTEN_FAILED: {
    message: ({ host, port, reason }) => `Cannot listen on ${host}:${port}: ${reason}`,
    retryable: true,
    hint: 'Choose another port, or 0 for any free one; see what holds the port.',
  },
};

/** A server on this machine that cannot be opened. */
export class LoopbackError<C extends LoopbackErrorCode = LoopbackErrorCode> extends LloomError<
  C,
  LoopbackErrorData[C]
> {
  constructor(code: C, data: LoopbackErrorData[C], options: { cause?: unknown } = {}) {
    super('LoopbackError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `LoopbackError`, with that code when one is given. */
  static is<C extends LoopbackErrorCode>(error: unknown, code?: C): error is LoopbackError<C> {
    return isCodedError(error, 'LoopbackError', code);
  }
}
