import { cutText } from './internal/text.ts';

/** What a package declares about one of its error codes: the text, whether a retry helps, and what to do. */
export interface CodeEntry<Data> {
  /** Builds the message: the act, what was got and what was wanted. Never holds text that a remote sent. */
  readonly message: (data: Data) => string;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** What the reader can do about it, in one sentence. */
  readonly hint: string;
}

/** The closed table of a package's error codes; `D` maps each code to its data. */
export type CodeTable<D> = { readonly [C in keyof D]: CodeEntry<D[C]> };

/** The plain form of an error, for logs and `--json` output. */
export interface ErrorJson {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly data: unknown;
  readonly retryable: boolean;
  readonly hint: string;
}

/**
 * The base of every error that Lloom throws: a closed `code`, typed `data`, whether retrying helps, and a hint.
 * Packages derive one class each; callers compare `code`, never the message.
 *
 * @example
 * ```ts
 * try {
 *   await behaviour.request(peerId, { type: 'ping' });
 * } catch (error) {
 *   if (LloomError.isLloomError(error)) console.error(error.code, error.hint);
 * }
 * ```
 */
export abstract class LloomError<Code extends string = string, Data = unknown> extends Error {
  /** One of the closed codes of the package that threw. */
  readonly code: Code;
  /** What was got, what was wanted, and what is not known. */
  readonly data: Data;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** What to do about it. */
  readonly hint: string;

  constructor(name: string, entry: CodeEntry<Data>, detail: { code: Code; data: Data; cause?: unknown }) {
    super(entry.message(detail.data), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = name;
    this.code = detail.code;
    this.data = detail.data;
    this.retryable = entry.retryable;
    this.hint = entry.hint;
  }

  /** The plain form: no stack, no cause. */
  toJSON(): ErrorJson {
    const { name, code, message, data, retryable, hint } = this;
    return { name, code, message, data, retryable, hint };
  }

  /** Whether a value is an error of any Lloom package, also of another copy of it. */
  static isLloomError(value: unknown): value is LloomError {
    return value instanceof Error && 'code' in value && 'retryable' in value && 'hint' in value;
  }
}

/** Whether `error` has the class name and, when given, the code. Survives two copies of a package in one program. */
export function isCodedError(error: unknown, name: string, code?: string): boolean {
  return (
    error instanceof Error &&
    error.name === name &&
    (code === undefined || (error as { code?: unknown }).code === code)
  );
}

/** The message of anything that was thrown, cut to `maxLength` characters: what a remote or a library said. */
export function errorText(error: unknown, maxLength = 256): string {
  let text: string;
  try {
    text = error instanceof Error ? error.message || error.name : String(error);
  } catch {
    text = 'something that has no text';
  }
  return cutText(text, maxLength);
}

/** What went wrong; one reason for each attempt when there were several, at most four. */
export function explainError(error: unknown): string {
  const causes = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  const texts = causes.map((cause) => errorText(cause) || 'no reason given');
  return [...new Set(texts)].slice(0, 4).join('; ');
}

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Where: `rpc.timeoutMs`. */
  readonly path: string;
  /** What was given, shortened. */
  readonly got: string;
  /** What would be accepted. */
  readonly wanted: string;
}

/** The data of each {@link ConfigError} code. */
export interface ConfigErrorData {
  /** The configuration has values that cannot be used; `problems` lists all of them. */
  INVALID_CONFIG: { readonly problems: readonly ConfigProblem[] };
}

const configTable: CodeTable<ConfigErrorData> = {
  INVALID_CONFIG: {
    message: ({ problems }) =>
      `Cannot use the configuration: ${problems.map((p) => `"${p.path}" is ${p.got}, want ${p.wanted}`).join('; ')}`,
    retryable: false,
    hint: 'Correct every listed field; nothing was started.',
  },
};

/** A configuration that cannot be used. Lists every problem at once. */
export class ConfigError extends LloomError<'INVALID_CONFIG', ConfigErrorData['INVALID_CONFIG']> {
  constructor(problems: readonly ConfigProblem[]) {
    super('ConfigError', configTable.INVALID_CONFIG, { code: 'INVALID_CONFIG', data: { problems } });
  }

  /** Whether `error` is a `ConfigError`. */
  static is(error: unknown): error is ConfigError {
    return isCodedError(error, 'ConfigError');
  }
}

/** The data of each {@link AddressError} code. */
export interface AddressErrorData {
  /** The text is not a peer id. */
  INVALID_PEER_ID: { readonly got: string };
  /** The text is not a multiaddr; `suggestion` is the nearest one that is, when there is one. */
  INVALID_MULTIADDR: { readonly got: string; readonly reason: string; readonly suggestion?: string };
  /** The multiaddr names no peer at its end, and the call needs one. */
  MISSING_PEER_ID: { readonly got: string };
}

const addressTable: CodeTable<AddressErrorData> = {
  INVALID_PEER_ID: {
    message: ({ got }) => `Cannot use peer id "${got}": want a base58 id such as "16Uiu2HA…" or "12D3KooW…"`,
    retryable: false,
    hint: 'Copy the id as the peer prints it.',
  },
  INVALID_MULTIADDR: {
    message: ({ got, reason, suggestion }) =>
      `Cannot use address "${got}": ${reason}${suggestion === undefined ? '' : `, did you mean "${suggestion}"`}`,
    retryable: false,
    hint: 'Write addresses as /ip4/<IPv4>/tcp/<port>, /ip6/<IPv6>/tcp/<port> or /dns4/<host>/tcp/<port>.',
  },
  MISSING_PEER_ID: {
    message: ({ got }) => `Cannot use address "${got}": it ends without "/p2p/<peer id>"`,
    retryable: false,
    hint: 'Append /p2p/ and the peer id, as the peer prints it at its start.',
  },
};

/** Closed codes of {@link AddressError}. */
export type AddressErrorCode = keyof AddressErrorData;

/** A peer id or an address that cannot be used. Says what was got, and the nearest valid form when there is one. */
export class AddressError<C extends AddressErrorCode = AddressErrorCode> extends LloomError<
  C,
  AddressErrorData[C]
> {
  constructor(code: C, data: AddressErrorData[C], options: { cause?: unknown } = {}) {
    super('AddressError', addressTable[code], { code, data, ...options });
  }

  /** Whether `error` is an `AddressError`, with that code when one is given. */
  static is<C extends AddressErrorCode>(error: unknown, code?: C): error is AddressError<C> {
    return isCodedError(error, 'AddressError', code);
  }
}
