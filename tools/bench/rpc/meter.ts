import type { Meter } from '@lloom/core';

/** Upper bounds in ms, as programs that watch themselves have them. */
const bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000];

/** A meter that keeps what it is told, so that the rows hold what counting costs. */
export const createMeter = (): Meter => ({
  counter: () => {
    let sum = 0;
    return (by = 1) => void (sum += by);
  },
  histogram: () => {
    const counts = new Float64Array(bounds.length + 1);
    return (value) => {
      const index = bounds.findIndex((bound) => value <= bound);
      counts[index < 0 ? bounds.length : index]! += 1;
    };
  },
});
