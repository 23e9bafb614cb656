import { draw, errorText } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';
import { leftOf, pauseAfter, renewAfter } from '../internal/placeTimes.ts';
import type { PlaceAnswer } from '../internal/relayNetwork.ts';

/** What keeping a place at one relay starts with. */
export interface ReservationInput {
  /** Whether the user named the relay: then it is never given up. */
  readonly isConfigured: boolean;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface ReservationContext extends ReservationInput {
  /** In a row; a place that has lasted a while ends the row. */
  readonly failures: number;
  readonly lastFailure: string | null;
  /** Whether the relay said no, and did not just fail. */
  readonly isRefused: boolean;
  readonly hadPlace: boolean;
  /** How long the place is kept, and when it is renewed, both from when it was given, in ms. */
  readonly leftMs: number;
  readonly renewMs: number;
  /** Until the next attempt, in ms. */
  readonly delayMs: number;
}

/** What happens to the relay. */
export type ReservationEvent =
  /** There is a new connection, or the relay says that it relays. */
  | { readonly type: 'relay.ready' }
  /** The connection is closed, or the relay does not relay any more. */
  | { readonly type: 'relay.gone'; readonly reason: string }
  | { readonly type: 'relay.named'; readonly isConfigured: boolean };

/** What the service is told. */
export type ReservationEmitted =
  /** There is a place, or it was renewed. */
  | {
      readonly type: 'reservation.made';
      readonly leftMs: number;
      readonly addresses: readonly string[];
    }
  /** There is none, and it is asked for again after a while. */
  | { readonly type: 'reservation.waiting'; readonly delayMs: number; readonly reason: string };

type Place = Extract<PlaceAnswer, { kind: 'place' }>;

/** How long each step may take, in ms. */
const stepMs = 10_000;
/** A place that has lasted so long, in ms, is worth asking for again at once. */
const steadyMs = 10_000;
/** A relay that was found is given up after so many failures in a row, and the first one when it never gave a place. */
const maxFailures = 3;

/** Parts of the transitions after an answer, or none. */
const answerOf = ({ event }: { event: { output: PlaceAnswer } }) => ({ answer: event.output });
const isPlace = { type: 'isPlace', params: answerOf } as const;
const taken = [
  { type: 'notePlace', params: answerOf },
  { type: 'tellMade', params: answerOf },
] as const;
const refused = { type: 'noteRefusal', params: answerOf } as const;
const broken = {
  type: 'noteFailure',
  params: ({ event }: { event: { error: unknown } }) => ({ reason: errorText(event.error) }),
} as const;
const because = (reason: string) => ({ type: 'noteFailure', params: { reason } }) as const;

/**
 * A place at one relay: asked for, renewed before it ends, and asked for again when it is lost, for as long as it takes. The
 * service provides `connect` and `reserve`.
 */
export const reservationMachine = setup({
  types: {} as {
    input: ReservationInput;
    context: ReservationContext;
    events: ReservationEvent;
    emitted: ReservationEmitted;
  },
  actors: {
    connect: fromPromise<void>(() => Promise.reject(new Error('Provide connect'))),
    reserve: fromPromise<PlaceAnswer>(() => Promise.reject(new Error('Provide reserve'))),
  },
  delays: {
    stepMs,
    steadyMs,
    leftMs: ({ context }) => context.leftMs,
    renewMs: ({ context }) => context.renewMs,
    restMs: ({ context }) => context.renewMs - steadyMs,
    delayMs: ({ context }) => context.delayMs,
  },
  guards: {
    isPlace: (_, { answer }: { answer: PlaceAnswer }) => answer.kind === 'place',
    isHopeless: ({ context: { isConfigured, isRefused, hadPlace, failures } }) =>
      !isConfigured && failures > 0 && (isRefused || !hadPlace || failures >= maxFailures),
  },
  actions: {
    noteName: assign((_, { isConfigured }: { isConfigured: boolean }) => ({ isConfigured })),
    noteReason: assign((_, { reason }: { reason: string }) => ({ lastFailure: reason, isRefused: false })),
    noteFailure: assign(({ context }, { reason }: { reason: string }) => ({
      failures: context.failures + 1,
      lastFailure: reason,
      isRefused: false,
    })),
    noteRefusal: assign(({ context }, { answer }: { answer: PlaceAnswer }) => ({
      failures: context.failures + 1,
      lastFailure: answer.kind === 'refused' ? answer.reason : null,
      isRefused: true,
    })),
    forgetFailures: assign({ failures: 0, lastFailure: null, isRefused: false }),
    notePlace: assign(({ context }, { answer }: { answer: PlaceAnswer }) => {
      const { chance, seed } = draw(context.seed);
      const leftMs = leftOf(answer as Place);
      const renewMs = renewAfter(leftMs, chance);
      return { seed, leftMs, renewMs, hadPlace: true };
    }),
    tellMade: emit((_, { answer }: { answer: PlaceAnswer }) => ({
      type: 'reservation.made' as const,
      leftMs: leftOf(answer as Place),
      addresses: (answer as Place).addresses,
    })),
    planRetry: assign(({ context }) => {
      const first = draw(context.seed);
      const second = draw(first.seed);
      const delayMs = pauseAfter(context, [first.chance, second.chance]);
      return { seed: second.seed, delayMs };
    }),
    tellWaiting: emit(({ context }) => ({
      type: 'reservation.waiting' as const,
      delayMs: context.delayMs,
      reason: context.lastFailure ?? 'unknown',
    })),
  },
}).createMachine({
  id: 'reservation',
  context: ({ input: { isConfigured, seed } }) => ({
    isConfigured,
    seed,
    failures: 0,
    lastFailure: null,
    isRefused: false,
    hadPlace: false,
    leftMs: 0,
    renewMs: 0,
    delayMs: 0,
  }),
  on: { 'relay.named': { actions: { type: 'noteName', params: ({ event }) => event } } },
  initial: 'connecting',
  states: {
    connecting: {
      invoke: {
        id: 'connect',
        src: 'connect',
        onDone: 'reserving',
        onError: { target: 'failing', actions: broken },
      },
      after: { stepMs: { target: 'failing', actions: because('no connection in time') } },
    },
    reserving: {
      invoke: {
        id: 'reserve',
        src: 'reserve',
        onDone: [
          { guard: isPlace, target: 'reserved', actions: taken },
          { target: 'failing', actions: refused },
        ],
        onError: { target: 'failing', actions: broken },
      },
      after: { stepMs: { target: 'failing', actions: because('no answer in time') } },
    },
    reserved: {
      after: { leftMs: { target: 'failing', actions: because('it ran out') } },
      on: {
        'relay.gone': { target: 'failing', actions: { type: 'noteReason', params: ({ event }) => event } },
      },
      initial: 'fresh',
      states: {
        fresh: {
          after: { steadyMs: 'steady', renewMs: 'renewing' },
          on: {
            'relay.gone': {
              target: '#reservation.failing',
              actions: { type: 'noteFailure', params: ({ event }) => event },
            },
          },
          description: 'Given just now: a relay that ends it again is not asked again at once.',
        },
        steady: {
          entry: 'forgetFailures',
          after: { restMs: 'renewing' },
          on: { 'relay.ready': 'renewing' },
        },
        renewing: {
          invoke: {
            id: 'renew',
            src: 'reserve',
            onDone: [
              { guard: isPlace, target: '#reservation.reserved', reenter: true, actions: taken },
              { target: '#reservation.failing', actions: refused },
            ],
            onError: { target: 'pausing', actions: broken },
          },
          after: { stepMs: { target: 'pausing', actions: because('no answer in time') } },
        },
        pausing: {
          entry: 'planRetry',
          after: { delayMs: 'renewing' },
          on: { 'relay.ready': 'renewing' },
          description: 'The place lasts for a while yet.',
        },
      },
    },
    failing: { always: [{ guard: 'isHopeless', target: 'ended' }, 'waiting'] },
    waiting: {
      entry: ['planRetry', 'tellWaiting'],
      after: { delayMs: 'connecting' },
      on: { 'relay.ready': 'reserving' },
    },
    ended: { type: 'final', description: 'It was given up: there may be better ones.' },
  },
});
