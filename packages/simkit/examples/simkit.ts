// Two libp2p nodes, 50 ms apart, in virtual time: a ping, a partition, and an hour that takes no time.
import assert from 'node:assert/strict';
import { ping } from '@libp2p/ping';
import { createTestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';

const network = await createTestNetwork({
  nodes: ['alice', 'bob'],
  link: { delayMs: 50 },
  seed: 7,
  createNode: ({ privateKey, address, stack }) =>
    createLibp2p({ privateKey, addresses: { listen: [address] }, ...stack, services: { ping: ping() } }),
});
try {
  const alice = network.node('alice').services.ping;
  const bob = network.node('bob').getMultiaddrs();
  assert.equal(await network.run(() => alice.ping(bob)), 100);

  network.partition(['alice'], ['bob']);
  const cutOff = network.run(() => alice.ping(bob, { signal: AbortSignal.timeout(5_000) }));
  await assert.rejects(cutOff, { name: 'TimeoutError' });

  network.heal();
  await network.runFor(3_600_000);
  assert.equal(await network.run(() => alice.ping(bob)), 100);
  console.log(
    `${network.clock.elapsed()} ms have passed. Seed ${network.seed}, trace ${network.trace.hash()}`,
  );
} finally {
  await network.stop();
}
