import { orAbort } from '@lloom/core';
import { DiscoveryError, type PublishProblem } from '../errors.ts';
import { startDeadline } from './deadline.ts';
import { Gate } from './gate.ts';
import type { Shared } from './shared.ts';

/** Keys that are put into the DHT at the same time. */
const concurrency = 4;

/** What one publication does. */
export interface PublishTask {
  /** Keys to provide. */
  readonly keys: readonly string[];
  /** Keys to provide no more. */
  readonly retired: readonly string[];
}

/** What came of it. */
export interface PublishResult {
  /** Keys that at least one other peer has taken. */
  readonly published: readonly string[];
  /** How many peers have taken the published key that the fewest have taken; 0 when there is none. */
  readonly takers: number;
  /** Keys that this node provides no more. */
  readonly retired: readonly string[];
  /** Why some are missing; `undefined` when none is. */
  readonly problem: PublishProblem | undefined;
}

/** How many peers have taken the key that the fewest have taken, after some more were published. */
export function fewestTakers(
  before: Pick<PublishResult, 'published' | 'takers'>,
  { published, takers }: Pick<PublishResult, 'published' | 'takers'>,
): number {
  if (published.length === 0) return before.takers;
  return before.published.length === 0 ? takers : Math.min(before.takers, takers);
}

type Ports = Pick<Shared, 'clock' | 'config' | 'network'>;

/** Brings the keys of an offer into the DHT, as far as it goes. Rejects only when the signal fires. */
export async function publishKeys(
  ports: Ports,
  task: PublishTask,
  signal: AbortSignal,
): Promise<PublishResult> {
  const retired = await retireKeys(ports, task.retired, signal);
  // Others drop the record of a provider without addresses, and do not say so.
  if (ports.network.addresses().length === 0)
    return { published: [], takers: 0, retired, problem: 'NO_ADDRESSES' };
  const gate = new Gate(concurrency);
  const outcomes = await Promise.all(task.keys.map((key) => gate.run(() => provide(ports, key, signal))));
  signal.throwIfAborted();
  const taken = outcomes.filter((outcome) => typeof outcome === 'number');
  return {
    published: task.keys.filter((_, index) => typeof outcomes[index] === 'number'),
    takers: taken.length > 0 ? Math.min(...taken) : 0,
    retired,
    problem: outcomes.find((outcome) => typeof outcome === 'string'),
  };
}

/** Provides keys no more; gives those for which it worked. Never rejects. */
export async function retireKeys(
  ports: Ports,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (keys.length === 0) return keys;
  const deadline = startDeadline(ports.clock, ports.config.queryTimeoutMs, [signal]);
  const retire = async (key: string): Promise<boolean> => {
    try {
      await orAbort(ports.network.retire(key), deadline.signal);
      return true;
    } catch (error) {
      // Without a DHT there is nothing to take back.
      return DiscoveryError.is(error, 'NO_DHT');
    }
  };
  const done = await Promise.all(keys.map(retire));
  deadline.clear();
  return keys.filter((_, index) => done[index]);
}

/** How many peers have taken a key, or why none has. */
async function provide(ports: Ports, key: string, signal: AbortSignal): Promise<number | PublishProblem> {
  if (signal.aborted) return 'FAILED';
  const deadline = startDeadline(ports.clock, ports.config.queryTimeoutMs, [signal]);
  try {
    const taken = await orAbort(ports.network.provide(key, { signal: deadline.signal }), deadline.signal);
    return taken > 0 ? taken : 'NO_PEERS';
  } catch (error) {
    if (deadline.expired) return 'TIMEOUT';
    return DiscoveryError.is(error, 'NO_DHT') ? 'NO_DHT' : 'FAILED';
  } finally {
    deadline.clear();
  }
}
