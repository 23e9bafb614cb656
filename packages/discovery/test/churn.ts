import { expect } from 'vitest';
import { advertiseAll, findAll, offer, peerIdOf, serviceOf, type SimNetwork } from './simNodes.ts';

/** Nobody's descriptor is believed for longer after it was asked for. */
const descriptorTtlMs = 90_000;
const executors = ['e1', 'e2', 'e3', 'e4'];

/** The hosts that {@link churn} needs. */
export const churning = ['hub', ...executors, 'c1'];

const roundMs = 20_000;

/**
 * Every 20 s one executor dies, every other time with its machine, and the one before it comes back. A client looks
 * each time: for whom it finds, and for what it still holds true of the dead.
 */
export async function churn(network: SimNetwork, minutes: number): Promise<void> {
  const { seed } = network;
  await advertiseAll(network, executors);
  const ids = new Map(executors.map((name) => [name, peerIdOf(network, name)]));
  const deadSinceMs = new Map<string, number>();
  const firstAtMs = 20_000;
  for (let round = 0; round < minutes * (60_000 / roundMs); round += 1) {
    await network.runFor(firstAtMs + round * roundMs - network.clock.elapsed());
    const dying = executors[round % executors.length]!;
    const [back] = deadSinceMs.keys();
    network.crash(dying, { isSilent: round % 2 === 0 });
    deadSinceMs.set(dying, network.clock.elapsed());
    if (back !== undefined) {
      await network.restart(back);
      deadSinceMs.delete(back);
      await network.run(serviceOf(network, back).advertiseService(offer));
    }
    await network.runFor(5_000);
    const found = await findAll(network, 'c1');
    const live = executors.filter((name) => !deadSinceMs.has(name));
    expect({ seed, round, found }).toEqual({ seed, round, found: live });
    const remembered = [...deadSinceMs].filter(
      ([name, sinceMs]) =>
        serviceOf(network, 'c1').servicesOf(ids.get(name)!).length > 0 &&
        network.clock.elapsed() - sinceMs > descriptorTtlMs,
    );
    expect({ seed, round, remembered }).toEqual({ seed, round, remembered: [] });
  }
}
