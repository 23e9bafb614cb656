import { errorText } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';
import { leftOf, planRetry, planReturn, timesOf, type Haste } from '../internal/placeTimes.ts';
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
  /** Whether the place has lasted a while. A relay that ends what it gave just now is not asked again at once. */
  readonly isSteady: boolean;
  /** Whether the relay may have forgotten the place that it has given. */
  readonly isDoubted: boolean;
  readonly haste: Haste;
  /** How long the place is kept, and when it is renewed, both from when it was given, in ms. */
  readonly leftMs: number;
  readonly renewMs: number;
  /** Until the next attempt, in ms. */
  readonly delayMs: number;
}

/** What happens to the relay. */
export type ReservationEvent =
  /** There is a new connection, or the relay says once more that it relays. It may have forgotten places meanwhile. */
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
type Refusal = Extract<PlaceAnswer, { kind: 'refused' }>;
type Answered = { readonly event: { readonly output: PlaceAnswer } };
type Failure = { readonly reason: string; readonly isRefused?: boolean };

/** How long each step may take, in ms. */
const stepMs = 10_000;
/** A place that was given so short a time ago, in ms, is not renewed. */
const freshMs = 10_000;
/** A place that has lasted so long, in ms, is worth asking for again at once. */
const steadyMs = 30_000;
/** A relay that was found is given up after so many failures in a row, and the first one when it never gave a place. */
const maxFailures = 3;

/** When nothing has failed lately. */
const calm = { failures: 0, lastFailure: null, isRefused: false, haste: 'free' } as const;

/** Parts of the transitions after an answer, or none. */
const answerOf = ({ event }: Answered) => ({ answer: event.output });
const isPlace = { type: 'isPlace', params: answerOf } as const;
const taken = [
  { type: 'notePlace', params: answerOf },
  { type: 'tellMade', params: answerOf },
] as const;
const failed = <E>(params: (at: E) => Failure) => ({ type: 'noteFailure', params }) as const;
const refused = failed(({ event }: Answered) => ({ ...(event.output as Refusal), isRefused: true }));
const broken = failed(({ event }: { event: { error: unknown } }) => ({ reason: errorText(event.error) }));
const soon = { guard: 'isHeeded', reenter: true, actions: 'planReturn' } as const;
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
    freshMs,
    youngMs: steadyMs - freshMs,
    leftMs: ({ context }) => context.leftMs,
    restMs: ({ context }) => context.renewMs - steadyMs,
    delayMs: ({ context }) => context.delayMs,
  },
  guards: {
    isPlace: (_, { answer }: { answer: PlaceAnswer }) => answer.kind === 'place',
    isHeeded: ({ context }) => context.haste === 'free',
    isDoubted: ({ context }) => context.isDoubted && context.haste === 'free',
    isHopeless: ({ context: { isConfigured, isRefused, hadPlace, failures } }) =>
      !isConfigured && failures > 0 && (isRefused || !hadPlace || failures >= maxFailures),
  },
  actions: {
    noteName: assign((_, { isConfigured }: { isConfigured: boolean }) => ({ isConfigured })),
    noteLoss: assign(({ context }, { reason }: { reason: string }) => ({
      failures: context.failures + (context.isSteady ? 0 : 1),
      lastFailure: reason,
      isRefused: false,
    })),
    noteFailure: assign(({ context }, { reason, isRefused = false }: Failure) => ({
      failures: context.failures + 1,
      lastFailure: reason,
      isRefused,
    })),
    forgetFailures: assign({ ...calm, isSteady: true }),
    noteDoubt: assign({ isDoubted: true }),
    notePlace: assign(({ context }, { answer }: { answer: PlaceAnswer }) => ({
      ...timesOf(answer as Place, context),
      hadPlace: true,
      isSteady: false,
      isDoubted: false,
    })),
    tellMade: emit((_, { answer }: { answer: PlaceAnswer }) => ({
      type: 'reservation.made' as const,
      leftMs: leftOf(answer as Place),
      addresses: (answer as Place).addresses,
    })),
    planRetry: assign(({ context }) => planRetry(context)),
    planReturn: assign(({ context }) => planReturn(context)),
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
    ...calm,
    hadPlace: false,
    isSteady: false,
    isDoubted: false,
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
        'relay.ready': { actions: 'noteDoubt' },
        'relay.gone': { target: 'failing', actions: { type: 'noteLoss', params: ({ event }) => event } },
      },
      initial: 'fresh',
      states: {
        fresh: { after: { freshMs: 'young' }, description: 'Given just now.' },
        young: {
          always: { guard: 'isDoubted', target: 'pausing', actions: 'planReturn' },
          after: { youngMs: 'steady' },
        },
        steady: {
          entry: 'forgetFailures',
          always: { guard: 'isDoubted', target: 'pausing', actions: 'planReturn' },
          after: { restMs: 'renewing' },
        },
        renewing: {
          invoke: {
            id: 'renew',
            src: 'reserve',
            onDone: [
              { guard: isPlace, target: '#reservation.reserved', reenter: true, actions: taken },
              { target: '#reservation.failing', actions: refused },
            ],
            onError: { target: 'pausing', actions: [broken, 'planRetry'] },
          },
          after: { stepMs: { target: 'pausing', actions: [because('no answer in time'), 'planRetry'] } },
        },
        pausing: {
          after: { delayMs: 'renewing' },
          on: { 'relay.ready': { ...soon, target: 'pausing' } },
          description: 'The place lasts for a while yet.',
        },
      },
    },
    failing: {
      always: [
        { guard: 'isHopeless', target: 'ended' },
        { target: 'waiting', actions: 'planRetry' },
      ],
    },
    waiting: {
      entry: 'tellWaiting',
      after: { delayMs: 'connecting' },
      on: { 'relay.ready': { ...soon, target: 'waiting' } },
    },
    ended: { type: 'final', description: 'It was given up: there may be better ones.' },
  },
});
