import { expect } from 'vitest';
import type { DiscoveryService } from '../src/discovery.ts';
import type { DiscoveryEvents } from '../src/events.ts';

/** Every event of a name, from now on. */
export function collect<K extends keyof DiscoveryEvents>(
  service: DiscoveryService,
  type: K,
): DiscoveryEvents[K][] {
  const details: DiscoveryEvents[K][] = [];
  service.addEventListener(type, ({ detail }) => details.push(detail));
  return details;
}

/** What a promise was rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have been rejected'),
    (error: unknown) => error,
  );
}
