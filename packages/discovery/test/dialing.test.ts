import type { Logger } from '@libp2p/interface';
import { systemClock, toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { expect, test } from 'vitest';
import { Libp2pNetwork, type DiscoveryComponents } from '../src/adapters/libp2p.ts';

const peerId = Identity.generate().peerId;
const address = '/ip4/127.0.0.1/tcp/4001';
const aborted = Object.assign(new Error('The operation was aborted'), { name: 'AbortError' });
const log = Object.assign(() => undefined, { error: () => undefined }) as unknown as Logger;

/** A network on which a dial fails with an error of libp2p. */
function createNetwork(openConnection: () => Promise<never>): Libp2pNetwork {
  const components = {
    peerId: toPeerId(Identity.generate().peerId),
    connectionManager: { openConnection, getConnections: () => [] },
    peerStore: { get: () => Promise.reject(Object.assign(new Error('nobody'), { name: 'NotFoundError' })) },
    logger: { forComponent: () => log },
  } as unknown as DiscoveryComponents;
  return new Libp2pNetwork(
    components,
    { kadProtocol: '/kad', descriptorTimeoutMs: 1_000 },
    { clock: systemClock },
  );
}

test('a limit of libp2p itself is told as silence, for each address', async () => {
  const network = createNetwork(() => Promise.reject(new AggregateError([aborted, new Error('refused')])));
  const dial = network.dial(peerId, [address], new AbortController());
  await expect(dial).rejects.toMatchObject({
    errors: [{ message: 'no answer in time', cause: aborted }, { message: 'refused' }],
  });
});

test('a dial that its caller gives up is told as given up, not as silence', async () => {
  const controller = new AbortController();
  const network = createNetwork(() => {
    controller.abort();
    return Promise.reject(aborted);
  });
  await expect(network.dial(peerId, [address], controller)).rejects.toBe(aborted);
});
