import { LloomError } from '@lloom/core';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, expect, it } from 'vitest';

import type { Dialer } from '../src/ports.ts';
import { addressOf, circuitsAt, cleanUp, createHidden, createNode, idOf, relayAt } from './circuitNodes.ts';

afterEach(cleanUp);

class BannedError extends LloomError<'BANNED', object> {
  constructor() {
    const entry = { message: () => 'Cannot dial "a": it is banned', retryable: false, hint: '' };
    super('PeersError', entry, { code: 'BANNED', data: {} });
  }
}

/** A node that keeps away from the hidden one, and a dialer that knows what the user may. */
async function createAvoiding(mayDial: boolean) {
  const relay = await createNode();
  await relayAt(relay);
  const { node: hidden } = await createHidden(relay);
  const avoided = new Set([idOf(hidden)]);
  const client = await createNode({
    addresses: { listen: [] },
    connectionGater: { denyDialPeer: (peer) => avoided.has(peer.toString()), denyDialMultiaddr: () => false },
  });
  const asked: unknown[] = [];
  const dialer: Dialer = {
    dial: async (peerId, addresses, { signal, toldBy }) => {
      asked.push([peerId, toldBy]);
      if (peerId === idOf(hidden) && !mayDial) throw new BannedError();
      avoided.delete(peerId);
      await client.dial(
        addresses.map((address) => multiaddr(address)),
        { signal },
      );
    },
  };
  return { relay, hidden, client, asked, dialer };
}

it('dials for the user a peer that the node keeps away from for a while', async () => {
  const { relay, hidden, client, asked, dialer } = await createAvoiding(true);
  const opened = await circuitsAt(client, undefined, { dialer }).dial(idOf(hidden), addressOf(relay));
  expect(opened).toMatchObject({ peerId: idOf(hidden), relay: idOf(relay) });
  expect(asked).toEqual([
    [idOf(relay), 'user'],
    [idOf(hidden), 'user'],
  ]);
});

it('says that this node refuses a peer, and not that its relay does', async () => {
  const { relay, hidden, client, dialer } = await createAvoiding(false);
  const dials = [circuitsAt(client, undefined, { dialer }), circuitsAt(client)].map((circuits) =>
    circuits.dial(idOf(hidden), addressOf(relay)).catch((error: unknown) => error),
  );
  const data = (reason: string) => ({ peerId: idOf(hidden), reason });
  expect(await Promise.all(dials)).toMatchObject([
    { code: 'PEER_REFUSED', data: data('it is banned') },
    { code: 'PEER_REFUSED', data: data('its gater denies the peer') },
  ]);
});
