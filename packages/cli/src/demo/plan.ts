/** What the demo shows. */
export const demo = {
  /** The model that is asked; offered by two of the executors. */
  model: 'demo-small',
  /** A model that nobody offers. */
  unservedModel: 'demo-gigantic',
  prompt: 'How does a client find a model in this network?',
  /** What the answer may cost at most, in wei. */
  maxPrice: '1000000000000',
  /** When the executor is killed: more than are signed at once, see `segmentTokens` of rpc, and far from the end. */
  killedAfterTokens: 36,
  /** When the application of the gateway's story leaves. */
  leftAfterChunks: 8,
  executors: [
    { name: 'executor A', model: 'demo-small', inboundPrice: '3000000000', outboundPrice: '6000000000' },
    { name: 'executor B', model: 'demo-small', inboundPrice: '1000000000', outboundPrice: '2000000000' },
    { name: 'executor C', model: 'demo-large', inboundPrice: '9000000000', outboundPrice: '18000000000' },
  ],
} as const;
