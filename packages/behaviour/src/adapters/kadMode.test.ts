import type { PeerUpdate } from '@libp2p/interface';
import { toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import type { NatStatus } from '@lloom/nat';
import { expect, test } from 'vitest';
import { keepKadMode, type KadModeParts } from './kadMode.ts';

const kadProtocol = '/lloom/kad/1.0.0';
const peerId = Identity.generate().peerId;

/** A node whose DHT starts as a server. */
function node() {
  const events = new EventTarget();
  const spoken = new Set<string>();
  const [removed, errors]: [string[], unknown[]] = [[], []];
  let [mode, isFailing]: ['client' | 'server', boolean] = ['server', false];
  const host = {
    status: 'started',
    addEventListener: events.addEventListener.bind(events),
    handle: async (protocol: string) => void spoken.add(protocol),
    unhandle: async (protocol: string) => void spoken.delete(protocol),
  };
  const tell = keepKadMode({
    libp2p: host as unknown as KadModeParts['libp2p'],
    dht: () => ({
      getMode: () => mode,
      setMode: async (wanted) => {
        if (isFailing) throw new Error('no');
        mode = wanted;
      },
    }),
    kadProtocol,
    routingTable: { remove: async (id) => void removed.push(id) },
    onError: (error) => errors.push(error),
  });
  const kinds = { public: { kind: 'public', address: '/ip4/192.0.2.1/tcp/1' } } as const;
  return {
    host,
    removed,
    errors,
    become: async (kind: NatStatus['kind']) => {
      await tell(kind === 'public' ? kinds.public : { kind });
      return [mode, ...spoken];
    },
    fail: (fails: boolean) => (isFailing = fails),
    update: (before: readonly string[], after: readonly string[]) => {
      const peer = (protocols: readonly string[]) => ({ id: toPeerId(peerId), protocols });
      const detail = { previous: peer(before), peer: peer(after) } as unknown as PeerUpdate;
      events.dispatchEvent(new CustomEvent('peer:update', { detail }));
    },
  };
}

test('a private node asks the DHT and is not asked, says so, and is a server again when it can be reached', async () => {
  const { become } = node();
  expect(await become('unknown')).toEqual(['server']);
  expect(await become('private')).toEqual(['client', '/lloom/kad/1.0.0/client']);
  expect(await become('public')).toEqual(['server']);
  await become('private');
  expect(await become('unknown')).toEqual(['server']);
});

test('a mode that cannot be set is told, and tried again with the next status', async () => {
  const { become, errors, fail } = node();
  fail(true);
  expect(await become('private')).toEqual(['server']);
  expect(errors).toEqual([new Error('no')]);
  fail(false);
  expect(await become('private')).toEqual(['client', '/lloom/kad/1.0.0/client']);
});

test('nothing is changed any more while the node stops', async () => {
  const { become, host } = node();
  host.status = 'stopping';
  expect(await become('private')).toEqual(['server']);
});

test('a peer that takes no part in the DHT any more leaves the routing table', () => {
  const { removed, update } = node();
  update([], ['/ipfs/id/1.0.0']);
  update([kadProtocol], [kadProtocol, '/ipfs/id/1.0.0']);
  expect(removed).toEqual([]);
  update([kadProtocol], ['/ipfs/id/1.0.0']);
  expect(removed).toEqual([peerId]);
});
