import { draw, type RetryPolicy } from '@lloom/core';
import { assign, fromPromise, setup } from 'xstate';

/** What announcing starts with. */
export interface AnnouncementInput {
  readonly retry: RetryPolicy;
  readonly announcementIntervalMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface AnnouncementContext extends AnnouncementInput {
  readonly delayMs: number;
  /** How long the last announcement took, in ms. */
  readonly tookMs: number;
  /** Whether something has changed since the last announcement began. */
  readonly hasChanged: boolean;
  /** Announcements in a row of which each followed a change. */
  readonly burst: number;
}

/** What one announcement came to. */
export interface AnnouncementResult {
  /** Whether there is anything to be announced again. */
  readonly hasOffers: boolean;
  /** How long it took, in ms. */
  readonly tookMs: number;
}

/** What happens to announcing: something has changed, or was taken back, which others must know at once. */
export type AnnouncementEvent =
  | { readonly type: 'announcement.change' }
  | { readonly type: 'announcement.withdraw' };

/** Pauses after an announcement, so that a node whose offers flicker does not flood others. */
const firstPauseMs = 200;
const longestPauseMs = 5_000;
/** How much sooner than the interval an announcement may come: never later, for others count on it. */
const jitterRatio = 0.2;

const pauseOf = (burst: number): number => Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(burst, 10));

/**
 * Telling others what this node offers: at once when it changes, and again within each interval. The service provides
 * `announce`.
 */
export const announcementMachine = setup({
  types: {} as {
    input: AnnouncementInput;
    context: AnnouncementContext;
    events: AnnouncementEvent;
  },
  actors: {
    announce: fromPromise<AnnouncementResult>(() => Promise.reject(new Error('Provide announce'))),
  },
  delays: {
    delayMs: ({ context }) => context.delayMs,
    pauseMs: ({ context }) => pauseOf(context.burst),
  },
  guards: {
    hasChanged: ({ context }) => context.hasChanged,
    hasOffers: (_, { hasOffers }: Pick<AnnouncementResult, 'hasOffers'>) => hasOffers,
  },
  actions: {
    noteChange: assign({ hasChanged: true }),
    forgetChange: assign({ hasChanged: false, tookMs: 0 }),
    noteTime: assign((_, { tookMs }: Pick<AnnouncementResult, 'tookMs'>) => ({ tookMs })),
    countBurst: assign(({ context }) => ({ burst: context.burst + 1 })),
    endBurst: assign({ burst: 0 }),
    planNext: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const intervalMs = Math.round(context.announcementIntervalMs * (1 - jitterRatio * chance));
      // Others count from one announcement to the next: what it took, and the pause, are part of that.
      return { seed, delayMs: Math.max(0, intervalMs - context.tookMs - pauseOf(context.burst)) };
    }),
  },
}).createMachine({
  id: 'announcement',
  context: ({ input }) => ({ ...input, delayMs: 0, tookMs: 0, hasChanged: false, burst: 0 }),
  on: { 'announcement.withdraw': { target: '.announcing', reenter: true } },
  initial: 'silent',
  states: {
    silent: {
      description: 'There is nothing to tell.',
      on: { 'announcement.change': 'announcing' },
    },
    announcing: {
      entry: 'forgetChange',
      invoke: {
        id: 'announce',
        src: 'announce',
        onDone: [
          {
            guard: { type: 'hasOffers', params: ({ event }) => event.output },
            target: 'pausing',
            actions: { type: 'noteTime', params: ({ event }) => event.output },
          },
          { target: 'fading' },
        ],
        onError: 'pausing',
      },
      on: { 'announcement.change': { actions: 'noteChange' } },
    },
    pausing: {
      after: {
        pauseMs: [
          { guard: 'hasChanged', target: 'announcing', actions: 'countBurst' },
          { target: 'resting', actions: ['planNext', 'endBurst'] },
        ],
      },
      on: { 'announcement.change': { actions: 'noteChange' } },
      description: 'Offers were told just now; what changes meanwhile is told together.',
    },
    fading: {
      after: {
        pauseMs: [
          { guard: 'hasChanged', target: 'announcing', actions: 'countBurst' },
          { target: 'silent', actions: 'endBurst' },
        ],
      },
      on: { 'announcement.change': { actions: 'noteChange' } },
      description: 'That nothing is offered any more was told just now.',
    },
    resting: {
      after: { delayMs: 'announcing' },
      on: { 'announcement.change': 'announcing' },
    },
  },
});
