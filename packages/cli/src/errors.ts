import {
  AddressError,
  ConfigError,
  errorText,
  isCodedError,
  LloomError,
  type CodeTable,
  type ErrorJson,
} from '@lloom/core';

/** The data of each {@link CliError} code. */
export interface CliErrorData {
  /** The command line cannot be understood; nothing was done. */
  USAGE: { readonly problem: string; readonly suggestion: string };
  /** A file cannot be read, or written. */
  FILE_FAILED: { readonly file: string; readonly reason: string };
  /** The identity file is encrypted, or shall be, and there is no passphrase. */
  PASSPHRASE_NEEDED: { readonly file: string };
  /** The passphrase was typed differently the second time. */
  PASSPHRASE_MISMATCH: { readonly file: string };
  /** A signal came before the command was done. */
  INTERRUPTED: { readonly signal: string };
  /** Something that no package foresaw. */
  UNEXPECTED: { readonly problem: string };
}

/** Closed codes of {@link CliError}. */
export type CliErrorCode = keyof CliErrorData;

const table: CodeTable<CliErrorData> = {
  USAGE: { message: (d) => d.problem, retryable: false, hint: 'Add --help to see what the command takes.' },
  FILE_FAILED: {
    message: (d) => `Cannot use "${d.file}": ${d.reason}`,
    retryable: false,
    hint: 'Check the path and its permissions.',
  },
  PASSPHRASE_NEEDED: {
    message: (d) => `Cannot open "${d.file}" without a passphrase`,
    retryable: false,
    hint: 'Set LLOOM_PASSPHRASE, use --passphrase-file, or run the command in a terminal.',
  },
  PASSPHRASE_MISMATCH: {
    message: (d) => `Did not write "${d.file}": the two passphrases differ`,
    retryable: false,
    hint: 'Try again.',
  },
  INTERRUPTED: { message: (d) => `Stopped by ${d.signal}`, retryable: true, hint: '' },
  UNEXPECTED: {
    message: (d) => d.problem,
    retryable: false,
    hint: 'Set LLOOM_DEBUG=1 to see where it happened, and report it.',
  },
};

/** What the command itself has to say about a failure. */
export class CliError<C extends CliErrorCode = CliErrorCode> extends LloomError<C, CliErrorData[C]> {
  constructor(code: C, data: CliErrorData[C], options: { cause?: unknown } = {}) {
    super('CliError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `CliError`, with that code when one is given. */
  static is<C extends CliErrorCode>(error: unknown, code?: C): error is CliError<C> {
    return isCodedError(error, 'CliError', code);
  }
}

/** A mistake on the command line. */
export function usageError(problem: string, suggestion = ''): CliError<'USAGE'> {
  return new CliError('USAGE', { problem, suggestion });
}

/** What the process ends with. */
export const exitCodes = Object.freeze({ ok: 0, failure: 1, usage: 2, interrupted: 130, terminated: 143 });

/** The exit code that a failure ends with. */
export function exitCodeOf(error: unknown): number {
  if (CliError.is(error, 'INTERRUPTED')) {
    return error.data.signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
  }
  const isMisunderstood =
    CliError.is(error, 'USAGE') ||
    AddressError.is(error) ||
    ConfigError.is(error) ||
    scenarioCodes.some((code) => isCodedError(error, 'SimulatorError', code));
  return isMisunderstood ? exitCodes.usage : exitCodes.failure;
}

/** Known by their names: the simulator is loaded by nobody but who runs it. */
const scenarioCodes = ['UNKNOWN_SCENARIO', 'INVALID_SCENARIO'];

/** What to do about an error of a package, where its own hint speaks to programs. */
const hints: Readonly<Record<string, string>> = {
  'IdentityError FILE_NOT_FOUND':
    'Check the path, or create a key there with: lloom identity new --file FILE',
  'BehaviourError LISTEN_FAILED': 'Choose another port with --listen, or port 0 for any free one.',
  'LoopbackError LISTEN_FAILED': 'Choose another port, or 0 for any free one.',
  'DiscoveryError BOOTSTRAP_FAILED':
    'Check that the peer of --bootstrap runs, and copy its address from its ready line: it changes with its key.',
  'DiscoveryError NO_PROVIDERS':
    'Check the name of the model. A provider that was started just now needs a moment.',
  'RpcError PARTIAL_ANSWER':
    'What is shown is all there is of it. Ask again for a new answer, with more --attempts if you like.',
  'IdentityError FILE_EXISTS':
    'Choose another path with --file, or move that file away: a key that is overwritten is lost.',
};

/** The plain form of anything that was thrown, as it is shown. */
export function describeError(error: unknown): ErrorJson {
  const known = LloomError.isLloomError(error)
    ? error
    : new CliError('UNEXPECTED', { problem: errorText(error) });
  const { name, code, message, data, retryable } = known;
  const suggestion = CliError.is(known, 'USAGE') ? known.data.suggestion : '';
  const hint = suggestion === '' ? (hints[`${name} ${code}`] ?? known.hint) : suggestion;
  return { name, code, message, data, retryable, hint };
}
