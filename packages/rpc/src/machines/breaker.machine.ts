import { assign, setup } from 'xstate';

/** What a breaker starts with. */
export interface BreakerInput {
  /** Whom it keeps requests from. */
  readonly peerId: string;
}

/** What a breaker holds. */
export interface BreakerContext extends BreakerInput {
  /** How long the peer is left alone, or was the last time, in ms; 0 before the first time. */
  readonly avoidMs: number;
}

/** What happens to a breaker. */
export type BreakerEvent =
  | { readonly type: 'peer.tripped'; readonly avoidMs: number }
  | { readonly type: 'peer.recovered' }
  | { readonly type: 'peer.forget' }
  | { readonly type: 'probe.began' }
  | { readonly type: 'probe.ended' };

/** Every state of a breaker. */
export type BreakerState = 'closed' | 'open' | 'halfOpen' | 'probing' | 'forgotten';

/**
 * Keeps requests from a peer that fails, for a while. The service counts failures and says what is too many; it also says for
 * how long: longer each time. It forgets peers that work.
 */
export const breakerMachine = setup({
  types: {} as { input: BreakerInput; context: BreakerContext; events: BreakerEvent },
  delays: { avoidMs: ({ context }) => context.avoidMs },
  actions: { noteAvoidance: assign((_, params: { avoidMs: number }) => params) },
}).createMachine({
  id: 'breaker',
  context: ({ input }) => ({ ...input, avoidMs: 0 }),
  on: {
    'peer.tripped': {
      target: '.open',
      actions: { type: 'noteAvoidance', params: ({ event }) => ({ avoidMs: event.avoidMs }) },
    },
    'peer.recovered': '.closed',
    'peer.forget': '.forgotten',
  },
  initial: 'closed',
  states: {
    closed: { description: 'The peer is asked like any other.' },
    open: {
      after: { avoidMs: 'halfOpen' },
      on: { 'peer.tripped': {} },
      description: 'The peer is left alone. What fails meanwhile was asked before.',
    },
    halfOpen: { on: { 'probe.began': 'probing' }, description: 'The next request tries whether it works.' },
    probing: {
      after: { avoidMs: 'halfOpen' },
      on: { 'probe.ended': 'halfOpen' },
      description: 'One request tries. One that takes long is joined by another.',
    },
    forgotten: { type: 'final', description: 'Nothing is known of the peer any more.' },
  },
});
