import { assign, setup } from 'xstate';

interface SimulatedNodeContext {
  /** How often it was started. */
  readonly starts: number;
  /** Why its last start failed; absent when it did not. */
  readonly reason: string | undefined;
}

/** What befalls a simulated node. */
export type SimulatedNodeEvent =
  | { readonly type: 'node.start' }
  | { readonly type: 'node.started' }
  | { readonly type: 'node.startFailed'; readonly reason: string }
  | { readonly type: 'node.crash' }
  /** The simulation is over. */
  | { readonly type: 'node.stop' };

/** One node of a simulation: over its starts, its crashes, and its end. */
export const simulatedNodeMachine = setup({
  types: {} as { context: SimulatedNodeContext; events: SimulatedNodeEvent },
  actions: {
    countStart: assign({ starts: ({ context }) => context.starts + 1, reason: undefined }),
    noteReason: assign((_, { reason }: { readonly reason: string }) => ({ reason })),
  },
}).createMachine({
  id: 'simulatedNode',
  context: { starts: 0, reason: undefined },
  initial: 'planned',
  on: { 'node.stop': '.stopped' },
  states: {
    planned: {
      description: 'Has a name and a key, and no machine yet.',
      on: { 'node.start': 'starting' },
    },
    starting: {
      entry: 'countStart',
      on: {
        'node.started': 'up',
        'node.startFailed': {
          target: 'failed',
          actions: { type: 'noteReason', params: ({ event }) => event },
        },
      },
    },
    up: { on: { 'node.crash': 'down' } },
    down: { description: 'Crashed.', on: { 'node.start': 'starting' } },
    failed: { description: 'Its last start did not succeed.', on: { 'node.start': 'starting' } },
    stopped: { type: 'final' },
  },
});
