/** How far maintained peers are dialled apart. */
export interface RedialPolicy {
  /** Before the first redial, in ms. */
  readonly redialMinDelayMs: number;
  /** At most, in ms. */
  readonly redialMaxDelayMs: number;
}

/** How much of a pause is left to chance, up and down. */
const jitterRatio = 0.25;

/**
 * How long to wait before the next redial, in ms: doubles with each failure, give or take a quarter. The longest pauses are
 * spread below the maximum, so that peers that were lost together do not come back together.
 *
 * @param failures how many dials in a row have failed; after none, or one, it is the first pause
 * @param chance from 0 to 1
 */
export function redialDelay(policy: RedialPolicy, failures: number, chance: number): number {
  const { redialMinDelayMs, redialMaxDelayMs } = policy;
  const doubled = redialMinDelayMs * 2 ** Math.min(Math.max(0, failures - 1), 30);
  const spread =
    doubled < redialMaxDelayMs
      ? Math.min(redialMaxDelayMs, doubled * (1 + jitterRatio * (2 * chance - 1)))
      : redialMaxDelayMs * (1 - jitterRatio * (1 - chance));
  return Math.max(1, Math.round(spread));
}
