import { assign, fromPromise, setup } from 'xstate';

interface NodeContext {
  readonly drainMs: number;
  readonly drainEndsAtMs: number;
}

/** What a node is told. Whoever says it again while it drains can shorten that, not lengthen it. */
export interface NodeEvent {
  readonly type: 'node.stop';
  /** How long requests under way may take to end, in ms. */
  readonly drainMs: number;
  /** When that is over, by the clock's elapsed time, in ms. */
  readonly drainEndsAtMs: number;
}

/** What withdrawing may take beyond the time for requests. */
const graceMs = 2_000;

const notProvided = (name: string): Promise<never> => Promise.reject(new Error(`Provide ${name}`));

const drainOf = ({ drainMs, drainEndsAtMs }: NodeEvent): NodeContext => ({ drainMs, drainEndsAtMs });

/** A node from its start to its end. It starts once; to start again, create another. */
export const nodeMachine = setup({
  types: {} as { context: NodeContext; events: NodeEvent },
  actors: {
    startNode: fromPromise<void>(() => notProvided('startNode')),
    drainNode: fromPromise<void, { drainMs: number }>(() => notProvided('drainNode')),
    stopNode: fromPromise<void>(() => notProvided('stopNode')),
  },
  delays: { drainLimitMs: ({ context }) => context.drainMs + graceMs },
  guards: {
    isSooner: ({ context }, params: { drainEndsAtMs: number }) =>
      params.drainEndsAtMs < context.drainEndsAtMs,
  },
  actions: {
    noteDrain: assign((_, params: NodeContext) => params),
  },
}).createMachine({
  id: 'node',
  context: { drainMs: 0, drainEndsAtMs: 0 },
  initial: 'starting',
  states: {
    starting: { invoke: { id: 'startNode', src: 'startNode', onDone: 'running', onError: 'failed' } },
    running: {
      on: {
        'node.stop': {
          target: 'draining',
          actions: { type: 'noteDrain', params: ({ event }) => drainOf(event) },
        },
      },
    },
    draining: {
      description: 'Offers are withdrawn, new requests are refused, those under way may end.',
      invoke: {
        id: 'drainNode',
        src: 'drainNode',
        input: ({ context }) => ({ drainMs: context.drainMs }),
        onDone: 'stopping',
        onError: 'stopping',
      },
      after: { drainLimitMs: 'stopping' },
      on: {
        'node.stop': {
          guard: { type: 'isSooner', params: ({ event }) => drainOf(event) },
          target: 'draining',
          reenter: true,
          actions: { type: 'noteDrain', params: ({ event }) => drainOf(event) },
        },
      },
    },
    stopping: { invoke: { id: 'stopNode', src: 'stopNode', onDone: 'stopped', onError: 'failed' } },
    stopped: { type: 'final' },
    failed: {
      type: 'final',
      description: 'It could not be started, or not stopped in an orderly way. Nothing runs.',
    },
  },
});
