import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link CodecError} code. */
export interface CodecErrorData {
  /** A frame or message is larger than the limit; it was refused before any of it was stored or read. */
  TOO_LARGE: { readonly what: string; readonly sizeBytes: number; readonly limitBytes: number };
  /** The bytes ended inside a frame. */
  TRUNCATED: { readonly gotBytes: number; readonly wantedBytes: number };
  /** The bytes are not a frame or message of this format. */
  MALFORMED: { readonly what: string; readonly reason: string };
  /**
   * The message, or the part of it that `union` names, is of a kind that this version does not know; `fields` are
   * the field numbers that stand where the kind does.
   */
  UNKNOWN_VARIANT: { readonly union: string; readonly fields: readonly number[] };
  /** One field holds a value that is not allowed there. */
  INVALID_FIELD: { readonly path: string; readonly got: string; readonly wanted: string };
}

/** Closed codes of {@link CodecError}. */
export type CodecErrorCode = keyof CodecErrorData;

const table: CodeTable<CodecErrorData> = {
  TOO_LARGE: {
    message: ({ what, sizeBytes, limitBytes }) =>
      `Cannot take ${what}: has ${sizeBytes} bytes, limit is ${limitBytes}`,
    retryable: false,
    hint: 'Send less, or raise the limit on both sides.',
  },
  TRUNCATED: {
    message: ({ gotBytes, wantedBytes }) => `Cannot read frame: got ${gotBytes} bytes, want ${wantedBytes}`,
    retryable: true,
    hint: 'The sender stopped early; ask again.',
  },
  MALFORMED: {
    message: ({ what, reason }) => `Cannot read ${what}: ${reason}`,
    retryable: false,
    hint: 'The sender speaks another format or is broken.',
  },
  UNKNOWN_VARIANT: {
    message: ({ union, fields }) =>
      `Cannot read ${union}: it is of a kind that this version does not know${fields.length === 0 ? '' : ` (field ${fields.join(', ')})`}`,
    retryable: false,
    hint: 'The sender is newer; update this side, or ask in an older way.',
  },
  INVALID_FIELD: {
    message: ({ path, got, wanted }) => `Cannot use field "${path}": got ${got}, want ${wanted}`,
    retryable: false,
    hint: 'Correct the field.',
  },
};

/** Bytes or values that cannot be turned into one another. */
export class CodecError<C extends CodecErrorCode = CodecErrorCode> extends LloomError<C, CodecErrorData[C]> {
  constructor(code: C, data: CodecErrorData[C], options: { cause?: unknown } = {}) {
    super('CodecError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `CodecError`, with that code when one is given. */
  static is<C extends CodecErrorCode>(error: unknown, code?: C): error is CodecError<C> {
    return isCodedError(error, 'CodecError', code);
  }
}
