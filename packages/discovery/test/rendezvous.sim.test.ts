import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { peerIdOf, serviceOf, star, stockProviders, type SimNetwork } from './simNodes.ts';

const name = 'demo/1.0.0';

/** The hosts that a node is told of for a name. */
async function meet(network: SimNetwork, by: string): Promise<string[]> {
  const hosts = new Map([...network.nodes.keys()].map((host) => [peerIdOf(network, host), host]));
  return network.run(async () => {
    const found: string[] = [];
    for await (const { peerId, addresses } of serviceOf(network, by).rendezvousPeers(name)) {
      expect(addresses).not.toEqual([]);
      found.push(hosts.get(peerId) ?? peerId);
    }
    return found.toSorted((a, b) => a.localeCompare(b));
  });
}

describe('nodes that know only a hub', () => {
  test('meet by name, and who leaves is not named by its own records any more', async ({ createNetwork }) => {
    const nodes = ['hub', 'a', 'b'];
    const network = await createNetwork({ nodes, link: { delayMs: 20 }, createNode: star() });
    const isIn = (host: string): boolean =>
      serviceOf(network, host)
        .snapshot()
        .rendezvous.every(({ state }) => state === 'published');
    // Before anybody has met anybody.
    const leave = serviceOf(network, 'a').joinRendezvous(name);
    serviceOf(network, 'b').joinRendezvous(name);
    await network.runUntil(() => isIn('a') && isIn('b'), { what: 'both names to be in the DHT' });
    expect(await meet(network, 'a')).toEqual(['b']);
    expect(await meet(network, 'b')).toEqual(['a']);
    expect(await meet(network, 'hub')).toEqual(['a', 'b']);
    // Alone, a node has its own records only.
    network.partition(['a'], ['hub', 'b']);
    const own = () => stockProviders(network, 'a', `lloom/topic/${name}`);
    expect(await own()).toContain(peerIdOf(network, 'a'));
    leave();
    await network.runFor(1_000);
    expect(await own()).toEqual([]);
    // What others were told they keep until it expires.
    expect(await meet(network, 'hub')).toEqual(['a', 'b']);
  });
});
