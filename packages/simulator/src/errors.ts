import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link SimulatorError} code. */
export interface SimulatorErrorData {
  /** More nodes were asked for than `numNodes` allows; none of them was added. */
  TOO_MANY_NODES: { readonly numNodes: number; readonly spawned: number; readonly wanted: number };
  /** What was given cannot be used; nothing was done. */
  INVALID_ARGUMENT: { readonly act: string; readonly got: string; readonly wanted: string };
  /** No node has that name, and no group. */
  UNKNOWN_NODE: { readonly name: string; readonly known: readonly string[] };
  /** The node is not in the state that the act needs. */
  WRONG_STATE: { readonly name: string; readonly act: string; readonly state: string };
  /** A scenario does not fit its schema, or contradicts itself. `problems` has a line for each place. */
  INVALID_SCENARIO: { readonly scenario: string; readonly problems: readonly string[] };
  /** No scenario has that name, and no file. */
  UNKNOWN_SCENARIO: { readonly name: string; readonly known: readonly string[] };
}

const codeTable: CodeTable<SimulatorErrorData> = {
  TOO_MANY_NODES: {
    message: ({ numNodes, spawned, wanted }) =>
      `Cannot spawn ${wanted} more nodes: ${spawned} of numNodes ${numNodes} are spawned`,
    retryable: false,
    hint: 'Raise numNodes: it is the ceiling for nodes of all roles together.',
  },
  INVALID_ARGUMENT: {
    message: ({ act, got, wanted }) => `Cannot ${act}: got ${got.slice(0, 100)}, want ${wanted}`,
    retryable: false,
    hint: 'Correct the call.',
  },
  UNKNOWN_NODE: {
    message: ({ name, known }) =>
      `Cannot find node or group "${name}": there are ${known.slice(0, 20).join(', ')}`,
    retryable: false,
    hint: 'Nodes are called after their group, with a number: e0, e1, … for executors unless the group was given a name.',
  },
  WRONG_STATE: {
    message: ({ name, act, state }) => `Cannot ${act} node "${name}": it is ${state}`,
    retryable: false,
    hint: 'Nodes are up from the first run behind their spawning on, unless they were crashed.',
  },
  INVALID_SCENARIO: {
    message: ({ scenario, problems }) => `Cannot use scenario "${scenario}": ${problems.join('; ')}`,
    retryable: false,
    hint: 'The schema is @lloom/simulator/schemas/scenario.v1.json.',
  },
  UNKNOWN_SCENARIO: {
    message: ({ name, known }) => `Cannot find scenario "${name}": there are ${known.join(', ')}`,
    retryable: false,
    hint: 'Give the path of a JSON file, or one of these names.',
  },
};

/** Closed codes of {@link SimulatorError}. */
export type SimulatorErrorCode = keyof SimulatorErrorData;

/** What a simulation cannot do. What happens inside of one is told by `SimkitError` of `@lloom/simkit`. */
export class SimulatorError<C extends SimulatorErrorCode = SimulatorErrorCode> extends LloomError<
  C,
  SimulatorErrorData[C]
> {
  constructor(code: C, data: SimulatorErrorData[C], options: { cause?: unknown } = {}) {
    super('SimulatorError', codeTable[code], { code, data, ...options });
  }

  /** Whether `error` is a `SimulatorError`, with that code when one is given. */
  static is<C extends SimulatorErrorCode>(error: unknown, code?: C): error is SimulatorError<C> {
    return isCodedError(error, 'SimulatorError', code);
  }
}
