import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link BehaviourError} code. */
export interface BehaviourErrorData {
  /** The program runs on a Node.js that is too old. */
  UNSUPPORTED_RUNTIME: { readonly got: string; readonly wanted: string };
  /** None of the listen addresses can be used, most often because the port is taken. Nothing runs. */
  LISTEN_FAILED: { readonly addresses: readonly string[]; readonly reason: string };
  /** The datastore cannot be opened: another process has it, or this user may not use it. Nothing runs. */
  DATASTORE_FAILED: { readonly path: string; readonly reason: string };
  /** The node could not be started. Nothing runs. */
  START_FAILED: { readonly reason: string };
  /** The node did not stop in an orderly way. It does not run any more. */
  STOP_FAILED: { readonly reason: string };
  /** The node does not count, or does not run any more: there is nothing to serve. */
  METRICS_UNAVAILABLE: { readonly reason: string };
}

/** Closed codes of {@link BehaviourError}. */
export type BehaviourErrorCode = keyof BehaviourErrorData;

const table: CodeTable<BehaviourErrorData> = {
  UNSUPPORTED_RUNTIME: {
    message: ({ got, wanted }) => `Cannot run on Node.js ${got}: want ${wanted}`,
    retryable: false,
    hint: 'Install a newer Node.js.',
  },
  LISTEN_FAILED: {
    message: ({ addresses, reason }) =>
      `Cannot listen on ${addresses.map((a) => `"${a}"`).join(', ')}: ${reason}`,
    retryable: true,
    hint: 'Choose another port, or /tcp/0 for any free one; see what holds the port.',
  },
  DATASTORE_FAILED: {
    message: ({ path, reason }) => `Cannot open the datastore "${path}": ${reason}`,
    retryable: true,
    hint: 'One process at a time may use it; choose another path, or stop the other process.',
  },
  START_FAILED: {
    message: ({ reason }) => `Cannot start the node: ${reason}`,
    retryable: false,
    hint: 'Read the cause.',
  },
  STOP_FAILED: {
    message: ({ reason }) => `The node did not stop in an orderly way: ${reason}`,
    retryable: false,
    hint: 'Nothing to do; what it held is released when the process ends.',
  },
  METRICS_UNAVAILABLE: {
    message: ({ reason }) => `Cannot serve metrics: ${reason}`,
    retryable: false,
    hint: 'Leave enableMetrics as it is by default, and serve before the node is stopped.',
  },
};

/** A node that cannot be started or stopped. */
export class BehaviourError<C extends BehaviourErrorCode = BehaviourErrorCode> extends LloomError<
  C,
  BehaviourErrorData[C]
> {
  constructor(code: C, data: BehaviourErrorData[C], options: { cause?: unknown } = {}) {
    super('BehaviourError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `BehaviourError`, with that code when one is given. */
  static is<C extends BehaviourErrorCode>(error: unknown, code?: C): error is BehaviourError<C> {
    return isCodedError(error, 'BehaviourError', code);
  }
}
