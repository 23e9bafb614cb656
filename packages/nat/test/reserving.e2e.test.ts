import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify, identifyPush } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { afterAll, describe, expect, it } from 'vitest';

import {
  addressOf,
  createKeeping,
  createRelay,
  idOf,
  relayedOf,
  type KeepingNode,
} from './reservingNodes.ts';

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  await Promise.all(cleanups.splice(0).map((stop) => stop()));
});

const base = (): Libp2pOptions => ({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
});

async function kept<N extends Libp2p>(node: Promise<N>): Promise<N> {
  const created = await node;
  cleanups.push(() => created.stop());
  return created;
}

/** A relay that can be started again where it was. */
async function createStockRelay(options: Libp2pOptions = {}): Promise<Libp2p> {
  return kept(createRelay({ ...base(), ...options }));
}

const createClient = (options: Libp2pOptions = {}): Promise<KeepingNode> =>
  kept(createKeeping({ ...base(), ...options }));

/** Stock libp2p that can dial through relays. */
const createStock = (): Promise<Libp2p> =>
  kept(
    createLibp2p({
      ...base(),
      transports: [tcp(), circuitRelayTransport()],
      services: { identify: identify(), identifyPush: identifyPush(), ping: ping() },
    }),
  );

/** Resolves when `holds`, which is looked at whenever the node says something. */
function until(node: Libp2p, holds: () => boolean | Promise<boolean>): Promise<void> {
  const types = ['self:peer:update', 'peer:update', 'connection:open', 'connection:close'] as const;
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = async (): Promise<void> => {
    if (!(await holds())) return;
    for (const type of types) node.removeEventListener(type, listen);
    resolve();
  };
  const listen = (): void => void look();
  for (const type of types) node.addEventListener(type, listen);
  listen();
  return promise;
}

const isReached = (node: KeepingNode): Promise<void> => until(node, () => relayedOf(node).length > 0);
const isNotReached = (node: KeepingNode): Promise<void> => until(node, () => relayedOf(node).length === 0);

async function dialThrough(from: Libp2p, to: Libp2p): Promise<void> {
  const [address] = relayedOf(to);
  const connection = await from.dial(multiaddr(address));
  expect(connection.remotePeer.equals(to.peerId)).toBe(true);
  expect(connection.remoteAddr.toString()).toContain('/p2p-circuit');
  await connection.close();
}

// Most of their time they wait for libp2p, which tells peers of new addresses after two seconds.
describe.concurrent('a place at a relay of stock libp2p', () => {
  it('lets others dial the node, also after the relay has stopped and is back', async () => {
    const privateKey = await generateKeyPair('Ed25519');
    const relay = await createStockRelay({ privateKey });
    const [client, other] = await Promise.all([createClient(), createStock()]);
    const { keeping } = client.services;
    const address = addressOf(relay);
    keeping.enable([address]);
    await isReached(client);
    expect(relayedOf(client)).toEqual([`${address}/p2p-circuit/p2p/${idOf(client)}`]);
    await dialThrough(other, client);

    await relay.stop();
    await isNotReached(client);
    const [listen] = address.split('/p2p/');
    const again = await createStockRelay({ privateKey, addresses: { listen: [listen!] } });
    await isReached(client);
    await dialThrough(other, client);
    expect(keeping.told.map(({ type }) => type)).toEqual(['reserved', 'lost', 'reserved']);
    expect(again.getConnections(client.peerId)).toHaveLength(1);
  });

  it('is told to peers, and taken back when it is given up', async () => {
    const [relay, client, other] = await Promise.all([createStockRelay(), createClient(), createStock()]);
    await other.dial(multiaddr(addressOf(client)));
    const knowsIt = async (): Promise<boolean> => {
      const { addresses } = await other.peerStore.get(client.peerId);
      return addresses.some(({ multiaddr: one }) => one.toString().includes('/p2p-circuit'));
    };
    const { keeping } = client.services;
    keeping.enable([addressOf(relay)]);
    await isReached(client);
    await until(other, knowsIt);
    keeping.reserving.disable();
    expect(relayedOf(client)).toEqual([]);
    await until(other, async () => !(await knowsIt()));
  });

  it('is asked for again when the node itself stops and starts', async () => {
    const [relay, client, other] = await Promise.all([createStockRelay(), createClient(), createStock()]);
    client.services.keeping.enable([addressOf(relay)]);
    await isReached(client);
    await client.stop();
    await client.start();
    await isReached(client);
    await dialThrough(other, client);
  });

  it('is the only one where the node has the transport of libp2p already', async () => {
    const [relay, other] = await Promise.all([createStockRelay(), createStock()]);
    const client = await createClient({ transports: [tcp(), circuitRelayTransport()] });
    client.services.keeping.enable([addressOf(relay)]);
    await isReached(client);
    await dialThrough(other, client);
    // It would listen there if it had asked for a place of its own.
    const listening = client.services.keeping.listening();
    expect(listening.filter((address) => address.includes('/p2p-circuit'))).toEqual([]);
  });
});
