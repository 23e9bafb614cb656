import type { Clock } from '@lloom/core';
import { SimulatedClock } from 'xstate';

/** Time that moves when a test says so. */
export class TestClock extends SimulatedClock implements Clock {
  elapsed(): number {
    return this.now();
  }
}
