import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link BackendError} code. */
export interface BackendErrorData {
  /** No connection to the server. */
  UNREACHABLE: { readonly server: string; readonly reason: string };
  /** The server does not accept the key, or wants one. */
  UNAUTHORIZED: Said;
  /** The server does not know the model, or there is no such API at its base URL. */
  MODEL_UNKNOWN: Said & { readonly model: string };
  /** The server has no room now. */
  BUSY: Said & { readonly retryAfterMs?: number };
  /** The server does not accept the request. */
  REJECTED: Said;
  /** The server failed. */
  SERVER_FAILED: Said;
  /** What the server sent is not in the format. */
  INVALID_RESPONSE: { readonly server: string; readonly reason: string };
  /** The answer has more beside its text than can be passed on. */
  TOO_LARGE: { readonly server: string; readonly got: string };
  /** The answer stopped before its end. The server may have charged for it. */
  BROKEN_OFF: { readonly server: string; readonly chunks: number };
  /** The server stood still. It may have run the request. */
  TIMEOUT: {
    readonly server: string;
    readonly stage: 'first chunk' | 'next chunk';
    readonly limitMs: number;
  };
}

interface Said {
  readonly server: string;
  /** HTTP status; absent when the error came inside a stream. */
  readonly status?: number;
  /** What the server wrote, cut at 256 characters, without the key. */
  readonly remoteMessage: string;
}

/** Closed codes of {@link BackendError}. */
export type BackendErrorCode = keyof BackendErrorData;

const status = (data: Said): string =>
  data.status === undefined ? 'an error in the stream' : `HTTP ${data.status}`;

const table: CodeTable<BackendErrorData> = {
  UNREACHABLE: {
    message: (d) => `Cannot reach the model server at "${d.server}": ${d.reason}`,
    retryable: true,
    hint: 'Check that the server runs, and --base-url.',
  },
  UNAUTHORIZED: {
    message: (d) => `The model server at "${d.server}" does not accept the key: ${status(d)}`,
    retryable: false,
    hint: 'Set the key in OPENAI_API_KEY, or name another variable with --api-key-env.',
  },
  MODEL_UNKNOWN: {
    message: (d) => `The model server at "${d.server}" has no model "${d.model}": ${status(d)}`,
    retryable: false,
    hint: 'Check --upstream-model, and that --base-url ends as the server wants it, often in /v1.',
  },
  BUSY: {
    message: (d) => `The model server at "${d.server}" has no room now: ${status(d)}`,
    retryable: true,
    hint: 'Lower --capacity to what the server allows.',
  },
  REJECTED: {
    message: (d) => `The model server at "${d.server}" refused the request: ${status(d)}`,
    retryable: false,
    hint: 'Read remoteMessage: the model may not support a setting of the request.',
  },
  SERVER_FAILED: {
    message: (d) => `The model server at "${d.server}" failed: ${status(d)}`,
    retryable: true,
    hint: 'Look at the log of the server.',
  },
  INVALID_RESPONSE: {
    message: (d) => `Cannot read the answer of the model server at "${d.server}": ${d.reason}`,
    retryable: false,
    hint: 'Check that --base-url leads to an OpenAI-compatible server that streams.',
  },
  TOO_LARGE: {
    message: (d) => `Cannot pass on the answer of the model server at "${d.server}": it has ${d.got}`,
    retryable: false,
    hint: 'The client has to ask for less: the network carries 64 KiB beside the text of an answer.',
  },
  BROKEN_OFF: {
    message: (d) => `The answer of the model server at "${d.server}" broke off after ${d.chunks} chunks`,
    retryable: true,
    hint: 'Look at the log of the server.',
  },
  TIMEOUT: {
    message: (d) =>
      `The model server at "${d.server}" sent nothing for ${d.limitMs} ms, waiting for the ${d.stage}`,
    retryable: true,
    hint: 'The server may be loading the model; try again, or look at its log.',
  },
};

/** A backend that could not answer. Never holds the key. */
export class BackendError<C extends BackendErrorCode = BackendErrorCode> extends LloomError<
  C,
  BackendErrorData[C]
> {
  constructor(code: C, data: BackendErrorData[C], options: { cause?: unknown } = {}) {
    super('BackendError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `BackendError`, with that code when one is given. */
  static is<C extends BackendErrorCode>(error: unknown, code?: C): error is BackendError<C> {
    return isCodedError(error, 'BackendError', code);
  }
}
