import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import {
  connect,
  createSimNode,
  gossipOf,
  idOf,
  Ledger,
  link,
  noKeys,
  scoreOf,
  spokes,
  subscribeAll,
  type SimNetwork,
} from './simNodes.ts';

/** A network behind one public address, as the hub sees it: simulated hosts have an address each. */
function shareAddress(network: SimNetwork, leaves: readonly string[]): void {
  const { score } = gossipOf(network, 'hub').pubsub as unknown as {
    readonly score: { addIP(peerId: string, address: string): void };
  };
  for (const leaf of leaves) score.addIP(idOf(network, leaf), '203.0.113.7');
}

test('thirty behind one public address hear one another, and sixty are too many', async ({
  createNetwork,
}) => {
  const leaves = Array.from({ length: 60 }, (_, at) => `leaf${at}`);
  const network = await createNetwork({
    nodes: ['hub', ...leaves],
    link,
    createNode: (host) =>
      createSimNode(host, { keys: noKeys, profile: host.name === 'hub' ? 'bootstrapper' : 'member' }),
  });
  const [office, crowd] = [leaves.slice(0, 30), leaves.slice(30)];
  await subscribeAll(network, ['hub', ...leaves]);
  await connect(network, spokes('hub', office));
  await network.runFor(1_000);
  shareAddress(network, office);
  await network.runFor(3_000);
  const ledger = new Ledger(network, office);
  for (const leaf of office.slice(0, 10)) ledger.publish(leaf, `from ${leaf}`);
  await network.runFor(2_500);
  expect(ledger.delivered(2_000)).toBe(1);
  expect(scoreOf(network, 'hub', 'leaf0')).toBeGreaterThanOrEqual(0);
  await connect(network, spokes('hub', crowd));
  await network.runFor(1_000);
  shareAddress(network, crowd);
  await network.runFor(2_500);
  expect(scoreOf(network, 'hub', 'leaf0')).toBeLessThan(-80);
});
