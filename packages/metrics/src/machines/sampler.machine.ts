import { assign, emit, setup } from 'xstate';
import { withSample, type TrafficSample } from '../internal/rates.ts';

/** What sampling starts with. */
export interface SamplerInput {
  readonly sampleIntervalMs: number;
  readonly rateWindowMs: number;
}

interface SamplerContext extends SamplerInput {
  /** The oldest first: as many as the window needs. */
  readonly samples: readonly TrafficSample[];
}

/** What happens to sampling. */
export type SamplerEvent =
  | { readonly type: 'sampler.start' }
  | { readonly type: 'sampler.stop' }
  | { readonly type: 'sample.taken'; readonly sample: TrafficSample };

/** What sampling asks of the service: a sample, at once. */
export type SamplerEmitted = { readonly type: 'sample.due' };

/** Notes what has gone over connections, from time to time while the node runs, so that rates can be told. */
export const samplerMachine = setup({
  types: {} as {
    input: SamplerInput;
    context: SamplerContext;
    events: SamplerEvent;
    emitted: SamplerEmitted;
  },
  delays: { sampleIntervalMs: ({ context }) => context.sampleIntervalMs },
  actions: {
    askForSample: emit({ type: 'sample.due' }),
    keep: assign(({ context }, sample: TrafficSample) => ({
      samples: withSample(context.samples, sample, context.rateWindowMs),
    })),
    forget: assign({ samples: [] }),
  },
}).createMachine({
  id: 'sampler',
  context: ({ input }) => ({ ...input, samples: [] }),
  initial: 'resting',
  states: {
    resting: {
      entry: 'forget',
      on: { 'sampler.start': 'sampling' },
      description: 'Nothing goes over connections of a node that is stopped.',
    },
    sampling: {
      entry: 'askForSample',
      after: { sampleIntervalMs: { target: 'sampling', reenter: true } },
      on: {
        'sample.taken': { actions: { type: 'keep', params: ({ event }) => event.sample } },
        'sampler.stop': 'resting',
      },
    },
  },
});
