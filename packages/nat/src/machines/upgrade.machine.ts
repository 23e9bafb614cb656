import { draw, retryDelay, type RetryPolicy } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';
import type {
  Agreed,
  Punched,
  UpgradeEmitted,
  UpgradeEvent,
  UpgradeInput,
} from '../internal/upgradeEvents.ts';
import type { StaysRelayedReason, UpgradeWay } from '../types.ts';

export type { Agreed, Punched, UpgradeEmitted, UpgradeEvent, UpgradeInput };

interface UpgradeContext extends UpgradeInput {
  /** Punches of this attempt. */
  readonly rounds: number;
  readonly restMs: number;
  /** Why it would stay as it is, as far as this attempt has shown. */
  readonly reason: StaysRelayedReason;
}

const dialLimitMs = 3_000;
const agreeLimitMs = 10_000;
const punchLimitMs = 6_000;
/** So long a peer that leads may still be on its way when this node's own dial came to nothing. */
const expectMs = 3_000;
/** DCUtR: who leads tries up to three times. */
const maxRounds = 3;
const backOff: RetryPolicy = { retryDelayMs: 30_000, maxRetryDelayMs: 600_000 };

interface Subject {
  readonly peerId: string;
}
const subject = ({ context }: { readonly context: UpgradeContext }): Subject => ({ peerId: context.peerId });

const output = <T>({ event }: { readonly event: { readonly output: T } }): T => event.output;
const itself = <T>({ event }: { readonly event: T }): T => event;
const note = { type: 'noteReason', params: output } as const;

const untilDialed = [
  { guard: 'isLead', target: 'agreeing' },
  { guard: 'isAnswered', target: 'relayed' },
  { target: 'expecting' },
] as const;
const untilAgreed = [{ guard: 'isLead', target: 'relayed' }, { target: 'waiting' }] as const;
const untilPunched = [
  { guard: 'hasRounds', target: 'agreeing' },
  { guard: 'isLead', target: 'relayed' },
  { target: 'waiting' },
] as const;
const again = { target: 'waiting', actions: 'want' } as const;

/**
 * The way of one peer from its relay to a direct connection. The service says when to begin, and provides `dial`, `agree` and
 * `punch`; that they worked is told by `peer.direct`.
 */
export const upgradeMachine = setup({
  types: {} as {
    input: UpgradeInput;
    context: UpgradeContext;
    events: UpgradeEvent;
    emitted: UpgradeEmitted;
  },
  actors: {
    dial: fromPromise<void, Subject>(() => Promise.reject(new Error('Provide dial'))),
    agree: fromPromise<Agreed, Subject>(() => Promise.reject(new Error('Provide agree'))),
    punch: fromPromise<Punched, Subject>(() => Promise.reject(new Error('Provide punch'))),
  },
  delays: {
    patienceMs: ({ context }) => context.patienceMs,
    restMs: ({ context }) => context.restMs,
    dialLimitMs,
    agreeLimitMs,
    punchLimitMs,
    expectMs,
  },
  guards: {
    isEnabled: ({ context }) => context.isEnabled,
    isDisabled: ({ context }) => !context.isEnabled,
    isLead: ({ context }) => context.isLead,
    isAnswered: ({ context }) => context.reason !== 'peer does not take part',
    isCalled: (_, { isLead }: { readonly isLead: boolean }) => isLead,
    isUseless: (_, { reason }: Agreed) => reason !== null,
    isFollowedInVain: ({ context }, { reason }: Agreed) => !context.isLead && reason !== null,
    hasRounds: ({ context }) => context.isLead && context.rounds < maxRounds,
    isHopeless: ({ context }, { reason }: Punched) => context.isLead && reason === 'own NAT is symmetric',
  },
  actions: {
    want: emit({ type: 'upgrade.wanted' }),
    lead: assign({ isLead: true }),
    beginAnew: assign({ rounds: 0, reason: 'peer does not take part' }),
    countRound: assign({ rounds: ({ context }) => context.rounds + 1 }),
    noteReason: assign((_, { reason }: { readonly reason: StaysRelayedReason | null }) => ({
      reason: reason ?? 'nothing came through',
    })),
    forgetFailures: assign({ attempt: 0 }),
    planRest: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const attempt = context.attempt + 1;
      return { seed, attempt, restMs: retryDelay(backOff, attempt, chance) };
    }),
    tellDone: emit((_, { how }: { readonly how: UpgradeWay }) => ({ type: 'upgrade.done', how }) as const),
    tellFailed: emit(({ context: { isEnabled, reason, restMs } }) => {
      return { type: 'upgrade.failed', reason, restMs: isEnabled ? restMs : null } as const;
    }),
  },
}).createMachine({
  id: 'upgrade',
  context: ({ input }) => ({
    ...input,
    rounds: 0,
    restMs: 0,
    reason: 'peer does not take part',
  }),
  initial: 'waiting',
  on: {
    'peer.gone': '.ended',
    'peer.direct': {
      target: '.direct',
      actions: {
        type: 'tellDone',
        params: ({ event }) => ({ how: event.isInbound ? 'reversed' : 'dialed' }),
      },
    },
  },
  states: {
    waiting: {
      always: {
        guard: 'isDisabled',
        target: 'relayed',
        actions: { type: 'noteReason', params: { reason: 'disabled' } },
      },
      after: { patienceMs: { actions: 'want' } },
      on: {
        'peer.identified': { guard: { type: 'isCalled', params: itself }, actions: ['lead', 'want'] },
        'upgrade.retry': { actions: 'want' },
        'upgrade.begin': 'dialing',
        'peer.leads': 'agreeing',
      },
      description: 'For the addresses of the peer, for the peer to act, or for room.',
    },
    dialing: {
      invoke: { id: 'dial', src: 'dial', input: subject, onDone: untilDialed, onError: untilDialed },
      after: { dialLimitMs: untilDialed },
      on: { 'peer.leads': 'agreeing' },
      description: 'Addresses that everybody can reach come first: no NAT of the peer is in the way then.',
    },
    expecting: {
      after: { expectMs: 'relayed' },
      on: {
        'peer.identified': {
          guard: { type: 'isCalled', params: itself },
          target: 'waiting',
          actions: ['lead', 'want'],
        },
        'peer.leads': 'agreeing',
      },
      description: 'The peer leads, and may be about to act.',
    },
    agreeing: {
      entry: 'countRound',
      invoke: {
        id: 'agree',
        src: 'agree',
        input: subject,
        onDone: [
          { guard: { type: 'isFollowedInVain', params: output }, target: 'dialing', actions: note },
          { guard: { type: 'isUseless', params: output }, target: 'relayed', actions: note },
          { target: 'punching' },
        ],
        onError: untilAgreed,
      },
      after: { agreeLimitMs: untilAgreed },
      on: { 'peer.leads': { target: 'agreeing', reenter: true } },
      description: 'Has its port observed, and says through the relay where and when to dial.',
    },
    punching: {
      invoke: {
        id: 'punch',
        src: 'punch',
        input: subject,
        onDone: [
          { guard: { type: 'isHopeless', params: output }, target: 'relayed', actions: note },
          { guard: 'hasRounds', target: 'agreeing', actions: note },
          { guard: 'isLead', target: 'relayed', actions: note },
          { target: 'waiting', actions: note },
        ],
        onError: untilPunched,
      },
      after: { punchLimitMs: untilPunched },
      on: {
        'peer.direct': { target: 'direct', actions: { type: 'tellDone', params: { how: 'punched' } } },
        'peer.leads': 'agreeing',
      },
      description: 'Both dial at once.',
    },
    direct: {
      entry: ['forgetFailures', 'beginAnew'],
      on: { 'peer.direct': {}, 'peer.relayed': again },
      description: 'The connection through the relay is not needed any more.',
    },
    relayed: {
      entry: ['planRest', 'tellFailed', 'beginAnew'],
      after: { restMs: { guard: 'isEnabled', ...again } },
      on: {
        'peer.identified': { guard: { type: 'isCalled', params: itself }, actions: 'lead' },
        'upgrade.retry': { guard: 'isEnabled', ...again },
        'peer.leads': { guard: 'isEnabled', target: 'agreeing' },
      },
      description: 'Stays so until the next attempt, or until something has changed.',
    },
    ended: { type: 'final', description: 'No connection through a relay is left.' },
  },
});
