import { boundsOf } from './internal/bounds.ts';
import type { LaneConfig } from './internal/lanes.ts';

/** What of a run a sequence shows. */
export interface SequenceConfig {
  /** What events from outside come from. @default 'outside' */
  readonly caller?: string;
  /** How many entries are drawn: a third from the beginning, the others from the end. @default 300 */
  readonly maxEntries?: number;
  /** How many lanes are drawn. @default 16 */
  readonly maxLanes?: number;
  /**
   * The name of a label, such as `node`: all actors with the same value of it share a lane. Actors that have none keep
   * a lane of their own. @default a lane for each actor
   */
  readonly laneBy?: string;
  /**
   * With `laneBy`, the name of a label, such as `request`, that is the same wherever actors work on the same thing. From lane
   * to lane it is followed by a dotted line. @default the actors' `id`
   */
  readonly threadBy?: string;
}

/**
 * With its defaults.
 * @throws {RangeError} when a bound is no whole number from 0 on
 */
export function laneConfig(config: SequenceConfig): LaneConfig {
  const { caller = 'outside', laneBy, threadBy } = config;
  return { caller, ...boundsOf(config, { maxEntries: 300, maxLanes: 16 }), laneBy, threadBy };
}
