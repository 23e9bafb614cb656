/** Figures of a simulation that scenarios may want something of; each is a number, shares are from 0 to 1. */
export type MeasureName =
  /** Share of the nodes that are up and in the largest connected part of the network; 0 when none is up. */
  | 'connectedShare'
  /** Share of the pairs of nodes that are up in which the first knows the second; 1 for one node alone, 0 when none is up. */
  | 'discoveredShare'
  /** Share of the pairs of a node and an executor, both up, in which the node knows what the executor offers, as it is now. */
  | 'offersSeenShare'
  /** How many offers of executors that are down are still taken for good, over all nodes. */
  | 'staleOffers'
  /** Share of the requests that have ended which were answered. */
  | 'answeredShare'
  /** Requests that are asked and not ended. */
  | 'pending'
  /** Requests that ended in an error. */
  | 'failed'
  /** From the question to the end of the answer, in ms: the percentile that the filter names. */
  | 'latencyMs'
  /** From the question to the first token, in ms: the percentile that the filter names. */
  | 'firstTokenMs'
  /** Share of the answers that came, whole or in part, from the executors that the filter names. */
  | 'answersShare'
  /** What a token cost on average, in wei. */
  | 'paidPerToken'
  /** How often a handler ran again for a request that its executor had taken already. */
  | 'duplicateExecutions'
  /** Answers that cost more than their tokens at the offered prices. */
  | 'overbilled'
  /** Requests that ended twice. */
  | 'endedTwice'
  /** Share of the nodes that got a message, the mean over the messages of the window. */
  | 'gossipReach'
  /** What a node sent, in bytes a second, on average from the beginning to now. */
  | 'bytesPerNodeSecond';

/** What a measure is taken of. */
export interface MeasureFilter {
  /** Requests of this load only. @default all */
  readonly load?: string;
  /** Requests asked, or messages published, from this moment on, in ms. @default 0 */
  readonly fromMs?: number;
  /** Requests asked, or messages published, before this moment, in ms. @default now */
  readonly untilMs?: number;
  /** Which executors, by name or group: for `answersShare` and `paidPerToken`. @default all */
  readonly executors?: string | readonly string[];
  /** Which percentile: 1 to 100. @default 50 */
  readonly percentile?: number;
}

/** A figure, and how many things it was taken of: 0 when there was nothing to measure. */
export interface Measurement {
  readonly value: number;
  readonly count: number;
}
