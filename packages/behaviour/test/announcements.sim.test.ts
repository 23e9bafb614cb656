import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import type { Discovery } from '@lloom/discovery';
import { planet, serve, star, type SimNode } from './simNodes.ts';

const discoveryOf = ({ libp2p }: SimNode): Discovery =>
  (libp2p.services as unknown as { readonly discovery: Discovery }).discovery;

test('what an executor offers reaches those who cannot reach it, and is gone when it is withdrawn', async ({
  createNetwork,
}) => {
  const network = await createNetwork({
    nodes: ['hub', 'executor', 'client'],
    link: planet,
    createNode: star((name) => (name === 'hub' ? { packages: { gossip: { profile: 'bootstrapper' } } } : {})),
  });
  network.partition(['executor'], ['client']);
  const [executor, client] = [network.node('executor'), network.node('client')];
  await network.runFor(5_000);
  await network.run(() => serve(executor, network.clock));
  await network.runFor(3_000);
  const offered = () => discoveryOf(client).servicesOf(executor.peerId);
  expect(offered()).toMatchObject([{ kind: 'executor', models: ['demo-small'] }]);
  const hub = network.node('hub').peerId;
  expect(client.findAlternativePeer(hub, { model: 'demo-small' })).toBe(executor.peerId);
  await network.run(() => executor.withdrawService('executor'));
  await network.runFor(3_000);
  expect(offered()).toEqual([]);
});
