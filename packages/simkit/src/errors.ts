import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link SimkitError} code. */
export interface SimkitErrorData {
  /** `NODE_ENV` is `production`: virtual time makes keys and nonces predictable. */
  PRODUCTION: Record<string, never>;
  /** Another network is simulated in this process, and the globals are its own. */
  ALREADY_RUNNING: Record<string, never>;
  /** What was given cannot be used; nothing was done. */
  INVALID_ARGUMENT: { readonly act: string; readonly got: string; readonly wanted: string };
  /** The network was stopped. */
  STOPPED: { readonly act: string };
  /** Nodes failed to stop; the process has its real time back. */
  STOP_FAILED: { readonly reasons: readonly string[] };
  /** Simulated code reached for something real, which knows no virtual time. */
  REAL_RESOURCE: { readonly what: string };
  /** Another tool replaced a global after the simulation did. */
  GLOBAL_REPLACED: { readonly name: string };
  /** Native work, such as a digest of WebCrypto or a file, did not end while virtual time waited for it. */
  NATIVE_PENDING: { readonly what: readonly string[]; readonly waitedMs: number };
  /** Callbacks kept making callbacks of the same instant. `at` is virtual time in ms. */
  ENDLESS_INSTANT: { readonly at: number; readonly callbacks: number };
  /** Time was told to run while it runs already. */
  ALREADY_MOVING: Record<string, never>;
  /** A condition or a promise did not come true in the virtual time it had. */
  TIMEOUT: { readonly what: string; readonly waitedMs: number; readonly seed: number };
  /** There is no node of that name. */
  UNKNOWN_NODE: { readonly name: string; readonly known: readonly string[] };
  /** The node is not in the state that the act needs. */
  WRONG_STATE: { readonly name: string; readonly act: string; readonly state: string };
  /** What must hold did not. `atMs` is virtual time; `reason` is what the condition threw, if it did. */
  PROPERTY_VIOLATED: {
    readonly what: string;
    readonly kind: 'always' | 'eventually';
    readonly atMs: number;
    readonly seed: number;
    readonly reason: string | undefined;
  };
  /** A scenario failed with a seed; the cause is what it threw. `tail` is the end of its trace, oldest line first. */
  CHECK_FAILED: {
    readonly seed: number;
    /** How many seeds had passed before. */
    readonly passed: number;
    /** Virtual time of the end, in ms. `undefined` when nothing was built. */
    readonly atMs: number | undefined;
    /** What was thrown: by the scenario, then by the stop. */
    readonly reasons: readonly string[];
    readonly tail: readonly string[];
    /** How many lines the trace had. */
    readonly events: number;
  };
  /** Two runs of one seed differ. The rest of the traces says nothing more: it follows from the difference. */
  NOT_DETERMINISTIC: {
    readonly seed: number;
    /** Which run differs from the first one; the first is 1. */
    readonly run: number;
    /** The number of the first kept line that differs, from 1 on. `undefined` when none does. */
    readonly line: number | undefined;
    /** That line in the first run and in the other one. `undefined` where that run was over. */
    readonly lines: readonly [string | undefined, string | undefined];
    /** Lines before it, which are equal. */
    readonly before: readonly string[];
    /** How many lines at the beginning were kept by neither, so that an earlier difference may be among them. */
    readonly unseen: number;
    /** How many lines the longer of the two runs has. */
    readonly events: number;
  };
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(3);
const indented = (lines: readonly string[]): string => lines.map((line) => `\n  ${line}`).join('');

function describeDifference({
  line,
  lines,
  before,
  unseen,
  events,
}: SimkitErrorData['NOT_DETERMINISTIC']): string {
  const more = `keptTraceLines: ${events}`;
  if (line === undefined)
    return `; the difference is before the ${events - unseen} lines that were kept: set ${more}`;
  const shown = lines.map(
    (each, index) => `\n  ${index === 0 ? 'first' : 'other'}: ${each ?? '(nothing more)'}`,
  );
  const doubt =
    unseen === 0 ? '' : `\nIts first ${unseen} lines were not kept: to compare them too, set ${more}`;
  return ` from line ${line} of the trace on:${indented(before)}${shown.join('')}${doubt}`;
}

/** How many names a message lists. */
const maxNames = 20;

const codeTable: CodeTable<SimkitErrorData> = {
  PRODUCTION: {
    message: () => 'Cannot simulate a network: NODE_ENV is "production"',
    retryable: false,
    hint: 'Simulated randomness can be guessed. Run simulations in tests, never beside real keys.',
  },
  ALREADY_RUNNING: {
    message: () => 'Cannot simulate a second network: this process is inside another one',
    retryable: false,
    hint: 'Stop the first network. Tests that simulate cannot run concurrently in one file.',
  },
  INVALID_ARGUMENT: {
    message: ({ act, got, wanted }) => `Cannot ${act}: got ${got.slice(0, 100)}, want ${wanted}`,
    retryable: false,
    hint: 'Correct the call.',
  },
  STOP_FAILED: {
    message: ({ reasons }) => `Stopped the network, but not all of its nodes: ${reasons.join('; ')}`,
    retryable: false,
    hint: 'Real time is back. Look at what the nodes do when they stop.',
  },
  STOPPED: {
    message: ({ act }) => `Cannot ${act}: the network is stopped`,
    retryable: false,
    hint: 'Create another network.',
  },
  REAL_RESOURCE: {
    message: ({ what }) => `Cannot use ${what} in virtual time: it would answer in real time`,
    retryable: false,
    hint: 'Give the node the transport, discovery and datastore of its simulated host.',
  },
  GLOBAL_REPLACED: {
    message: ({ name }) => `Cannot go on in virtual time: something replaced ${name}`,
    retryable: false,
    hint: 'Use no other fake timers while a network is simulated.',
  },
  NATIVE_PENDING: {
    message: ({ what, waitedMs }) =>
      `Cannot move virtual time: native work did not end within ${waitedMs} ms: ${what.join(', ')}`,
    retryable: false,
    hint: 'Keep files, thread pools and workers out of simulated nodes.',
  },
  ENDLESS_INSTANT: {
    message: ({ at, callbacks }) =>
      `Cannot move virtual time beyond ${at} ms: ${callbacks} callbacks have run in that one instant`,
    retryable: false,
    hint: 'Look for code that schedules itself again without a delay.',
  },
  ALREADY_MOVING: {
    message: () => 'Cannot run virtual time: it runs already',
    retryable: false,
    hint: 'Inside of what a run waits for, await promises themselves; outside, await one run before the next.',
  },
  TIMEOUT: {
    message: ({ what, waitedMs, seed }) =>
      `Waited ${waitedMs} ms of virtual time for ${what.slice(0, 300)} (seed ${seed})`,
    retryable: false,
    hint: 'The trace shows what the network did until then.',
  },
  UNKNOWN_NODE: {
    message: ({ name, known }) =>
      `Cannot find node "${name}": there are ${known.slice(0, maxNames).join(', ')}${known.length > maxNames ? ', …' : ''}`,
    retryable: false,
    hint: 'Nodes are called n0, n1, … unless they were given names.',
  },
  WRONG_STATE: {
    message: ({ name, act, state }) => `Cannot ${act} node "${name}": it is ${state}`,
    retryable: false,
    hint: 'A node is crashed before it is restarted, and used when it is up: take what you need of it before a crash.',
  },
  PROPERTY_VIOLATED: {
    message: ({ what, kind, atMs, seed, reason }) => {
      const where = `at ${atMs} ms of virtual time (seed ${seed})`;
      if (reason !== undefined) return `Cannot ask whether "${what}" holds ${where}: ${reason}`;
      return kind === 'always' ? `"${what}" did not hold ${where}` : `"${what}" had not come true ${where}`;
    },
    retryable: false,
    hint: 'The trace shows what the network did until then.',
  },
  CHECK_FAILED: {
    message: ({ seed, passed, atMs, reasons, tail, events }) => {
      const before = passed === 0 ? '' : ` after ${passed} that passed`;
      const when = atMs === undefined ? '' : `, at ${seconds(atMs)} s of virtual time`;
      const [reason, ...others] = reasons;
      const rest = others.map((other) => `\nIt failed to stop as well: ${other}`).join('');
      const last = tail.length === 0 ? '' : `\nThe last of ${events} events:${indented(tail)}`;
      const again = `\nTo repeat it: SIM_SEED=${seed} <your test command>`;
      return `Seed ${seed} failed${before}${when}: ${reason ?? 'no reason given'}${rest}${last}${again}`;
    },
    retryable: false,
    hint: 'Run that seed alone: it fails in the same way every time.',
  },
  NOT_DETERMINISTIC: {
    message: (data) => `Seed ${data.seed}: run ${data.run} differs from run 1${describeDifference(data)}`,
    retryable: false,
    hint: 'Look for what outlives a run, for work that is not seen, and for orders that come from objects of the process.',
  },
};

/** Closed codes of {@link SimkitError}. */
export type SimkitErrorCode = keyof SimkitErrorData;

/** What a simulation cannot do, or did not see in time. */
export class SimkitError<C extends SimkitErrorCode = SimkitErrorCode> extends LloomError<
  C,
  SimkitErrorData[C]
> {
  constructor(code: C, data: SimkitErrorData[C], options: { cause?: unknown } = {}) {
    super('SimkitError', codeTable[code], { code, data, ...options });
  }

  /** Whether `error` is a `SimkitError`, with that code when one is given. */
  static is<C extends SimkitErrorCode>(error: unknown, code?: C): error is SimkitError<C> {
    return isCodedError(error, 'SimkitError', code);
  }
}
