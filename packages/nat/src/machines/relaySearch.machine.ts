import { draw, retryDelay, type RetryPolicy } from '@lloom/core';
import { assign, fromPromise, setup } from 'xstate';

/** What looking for relays starts with. */
export interface RelaySearchInput {
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface RelaySearchContext extends RelaySearchInput {
  /** Searches since there were enough for a while. */
  readonly searches: number;
  /** Until the next one, in ms. */
  readonly delayMs: number;
}

/** Whether there are places at enough relays. */
export type RelaySearchEvent = { readonly type: 'relays.few' } | { readonly type: 'relays.enough' };

/** How long one search may take, in ms. */
const searchMs = 10_000;
const retry: RetryPolicy = { retryDelayMs: 5_000, maxRetryDelayMs: 300_000 };
/** How long there must be enough, in ms, before a search is as urgent as the first one. */
const calmMs = 60_000;

/** Looking for relays while there are too few: ever less often. The service provides `search`. */
export const relaySearchMachine = setup({
  types: {} as {
    input: RelaySearchInput;
    context: RelaySearchContext;
    events: RelaySearchEvent;
  },
  actors: {
    search: fromPromise<void>(() => Promise.reject(new Error('Provide search'))),
  },
  delays: { searchMs, calmMs, delayMs: ({ context }) => context.delayMs },
  guards: { isCalm: ({ context }) => context.searches === 0 },
  actions: {
    forgetSearches: assign({ searches: 0 }),
    planSearch: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const searches = context.searches + 1;
      return { seed, searches, delayMs: retryDelay(retry, searches, chance) };
    }),
  },
}).createMachine({
  id: 'relaySearch',
  context: ({ input: { seed } }) => ({ seed, searches: 0, delayMs: 0 }),
  on: { 'relays.enough': '.enough' },
  initial: 'enough',
  states: {
    enough: {
      after: { calmMs: { actions: 'forgetSearches' } },
      on: {
        'relays.few': [{ guard: 'isCalm', target: 'searching' }, { target: 'resting' }],
        'relays.enough': {},
      },
    },
    searching: {
      entry: 'planSearch',
      invoke: { id: 'search', src: 'search', onDone: 'resting', onError: 'resting' },
      after: { searchMs: 'resting' },
    },
    resting: { after: { delayMs: 'searching' } },
  },
});
