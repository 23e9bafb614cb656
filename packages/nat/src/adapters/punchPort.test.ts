import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { Connection, Transport } from '@libp2p/interface';
import { systemClock } from '@lloom/core';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import type { NatComponents } from '../ports.ts';
import { PunchPorts } from './punchPort.ts';

interface Observer {
  readonly host: string;
  /** Under which host it sees the node. */
  readonly sees: string;
}

/** A node with observers; of those that are not asked it has heard by identify. */
async function createPorts(observers: readonly Observer[]) {
  const known = await Promise.all(
    observers.map(async ({ host, sees }, index) => {
      const remotePeer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
      const remoteAddr = multiaddr(`/ip4/${host}/tcp/4001/p2p/${remotePeer.toString()}`);
      const connection = {
        id: `known-${index}`,
        remotePeer,
        remoteAddr,
        direct: true,
        direction: 'outbound',
      };
      return { sees, connection: { ...connection, status: 'open' } as unknown as Connection };
    }),
  );
  const events = new EventTarget();
  const components = {
    ...{ events, upgrader: {}, logger: { forComponent: () => () => undefined } },
    addressManager: { getAddresses: () => [] },
    connectionManager: { getConnections: () => known.map(({ connection }) => connection) },
  } as unknown as NatComponents;
  const dial = async (address: unknown, { localPort }: { readonly localPort: number }) => {
    const { connection, sees } = known.find((each) => each.connection.remoteAddr === address)!;
    const fresh = { ...connection, id: `fresh-${connection.id}`, close: () => Promise.resolve() };
    const observedAddr = multiaddr(`/ip4/${sees}/tcp/${localPort}`);
    const detail = { connection: fresh, observedAddr, peerId: connection.remotePeer };
    setImmediate(() => events.dispatchEvent(new CustomEvent('peer:identify', { detail })));
    return fresh;
  };
  const ports = new PunchPorts(components, systemClock);
  for (const { connection, sees } of known)
    ports.hear({ connection, observedAddr: multiaddr(`/ip4/${sees}/tcp/1`) });
  const relayed = { remoteAddr: multiaddr('/ip4/10.1.0.1/tcp/1/p2p-circuit') } as Connection;
  const wish = { relayed, mapping: 'unknown', isUrgent: false } as const;
  return async (): Promise<string[]> => {
    const port = await ports.open({ dial } as unknown as Transport, wish, AbortSignal.timeout(5_000));
    port.end();
    return observers
      .map(({ sees }) => sees)
      .filter((host) => port.addresses.some((address) => address.toString().includes(`/${host}/`)));
  };
}

const honest = (host: string): Observer => ({ host, sees: '203.0.113.7' });
const liar = (host: string): Observer => ({ host, sees: '192.0.2.66' });

describe('where a peer is told to dial', () => {
  it.each([
    { whom: 'two observers that agree', observers: [honest('10.1.0.1'), honest('10.2.0.1')], isTold: true },
    { whom: 'the only one there is', observers: [honest('10.1.0.1')], isTold: true },
    {
      whom: 'one of two, and a third that was heard before',
      observers: [liar('10.1.0.1'), honest('10.2.0.1'), honest('10.3.0.1')],
      isTold: true,
    },
    { whom: 'one of two', observers: [liar('10.1.0.1'), honest('10.2.0.1')], isTold: false },
  ])(
    'is the outside by $whom, and never what one alone says against others',
    async ({ observers, isTold }) => {
      const told = await (await createPorts(observers))();
      expect(told.includes('203.0.113.7')).toBe(isTold);
      expect(told).not.toContain('192.0.2.66');
    },
  );
});
