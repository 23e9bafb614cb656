import { assign, emit, setup } from 'xstate';

interface DebuggingContext {
  readonly intervalMs: number;
}

/** What debug mode is told. */
export type DebuggingEvent =
  /** It is on from now on, and reports so often. */
  | { readonly type: 'debugging.enable'; readonly intervalMs: number }
  | { readonly type: 'debugging.disable' }
  /** The node stops. */
  | { readonly type: 'debugging.stop' };

/** What it tells the service. */
export type DebuggingEmitted =
  /** It is on: what it asks for is to be logged. Again with each change. */
  | { readonly type: 'debugging.enabled' }
  /** It is over: what was logged for it is not any more. */
  | { readonly type: 'debugging.disabled' }
  /** It is time to say how the node does. */
  | { readonly type: 'report.due' };

/** Debug mode of a node: while it is on, the node reports at once, and again after each interval. */
export const debuggingMachine = setup({
  types: {} as { context: DebuggingContext; events: DebuggingEvent; emitted: DebuggingEmitted },
  delays: { intervalMs: ({ context }) => context.intervalMs },
  actions: {
    configure: assign((_, { intervalMs }: DebuggingContext) => ({ intervalMs })),
    tellEnabled: emit({ type: 'debugging.enabled' }),
    tellDisabled: emit({ type: 'debugging.disabled' }),
    tellReport: emit({ type: 'report.due' }),
  },
}).createMachine({
  id: 'debugging',
  context: { intervalMs: 1 },
  initial: 'off',
  states: {
    off: {
      on: {
        'debugging.enable': {
          target: 'on',
          actions: [{ type: 'configure', params: ({ event }) => event }, 'tellEnabled'],
        },
        'debugging.stop': 'stopped',
      },
    },
    on: {
      description: 'Begins anew with each report, and with each change.',
      entry: 'tellReport',
      after: { intervalMs: { target: 'on', reenter: true } },
      on: {
        'debugging.enable': {
          target: 'on',
          reenter: true,
          actions: [{ type: 'configure', params: ({ event }) => event }, 'tellEnabled'],
        },
        'debugging.disable': { target: 'off', actions: 'tellDisabled' },
        'debugging.stop': { target: 'stopped', actions: 'tellDisabled' },
      },
    },
    stopped: { type: 'final', description: 'The node has stopped. It cannot be turned on again.' },
  },
});
