import { guard } from './internal/guard.ts';
import type { Meter } from './ports.ts';
import { safe } from './safe.ts';

/**
 * The same meter, of which nothing throws. Where it gives no counter nothing is counted.
 *
 * @param onError told of what the meter throws; what it throws itself is dropped
 * @example
 * ```ts
 * const meter = ports.meter && safeMeter(ports.meter, (error) => log.error('the meter failed', error));
 * ```
 */
export function safeMeter(meter: Meter, onError: (error: unknown) => void): Meter {
  const made = <T>(make: () => (value: T) => void): ((value: T) => void) => {
    let count: ((value: T) => void) | undefined;
    guard(() => {
      count = make();
    }, onError);
    return count === undefined ? () => {} : safe(count, onError);
  };
  return {
    counter: (family, labels) => made(() => meter.counter(family, labels)),
    histogram: (family, labels) => made(() => meter.histogram(family, labels)),
    gauge: (family, read) => guard(() => meter.gauge(family, read), onError),
  };
}
