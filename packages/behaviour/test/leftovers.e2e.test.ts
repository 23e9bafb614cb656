import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Identity, LloomBehaviour, type NetworkConfig, type NodePorts } from '../src/index.ts';
import { failure } from './nodes.ts';

/** How many timers keep this process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

async function expectNoMoreThan(before: number): Promise<void> {
  // Queues of libp2p have timers of a millisecond.
  for (let turn = 0; turn < 10_000 && timers() > before; turn++) await setImmediate();
  expect(timers()).toBeLessThanOrEqual(before);
}

const fails = (): never => {
  throw new Error('the registry fails');
};
/** Passes for one, and fails as soon as the node starts. */
const failing = {
  registerMetric: fails,
  getSingleMetric: fails,
  removeSingleMetric: fails,
  metrics: fails,
} as unknown as NonNullable<NodePorts['registry']>;

test.each<[string, string, NetworkConfig & NodePorts]>([
  ['as it is built', 'INVALID_CONFIG', { packages: { nat: { maxRelays: 1 } as object } }],
  ['while its services start', 'START_FAILED', { registry: failing }],
  ['when it is to listen', 'LISTEN_FAILED', { listenAddresses: ['/ip4/127.0.0.1/udp/9'] }],
])('a node that fails %s leaves no timer behind', async (_, code, config) => {
  const before = timers();
  const starting = LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback', ...config });
  expect(await failure(starting)).toMatchObject({ code });
  await expectNoMoreThan(before);
});

test('a node that was stopped leaves no timer behind', async () => {
  const before = timers();
  const node = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback' });
  await node.stop();
  await expectNoMoreThan(before);
});
