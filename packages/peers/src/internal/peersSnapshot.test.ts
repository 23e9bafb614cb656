import { expect, test, vi } from 'vitest';
import { peersSnapshot, type SnapshotSources } from './peersSnapshot.ts';

const ban = { peerId: 'banned', since: 1, until: 2, by: 'user' } as const;

const connection = {
  direction: 'outbound',
  remoteAddress: '/ip4/127.0.0.1/tcp/4001',
  transport: 'tcp',
  relayed: false,
  openedAt: 1,
} as const;

const sourcesWith = (changed: Partial<SnapshotSources> = {}): SnapshotSources => ({
  ownPeerId: 'own',
  connected: ['connected'],
  bans: [ban],
  maintained: new Map([['maintained', 1]]),
  heardOf: ['heard first', 'own', 'connected', 'banned', 'heard last'],
  openConnections: 1,
  connectionsOf: (peerId) => (peerId === 'connected' ? [connection] : []),
  rolesOf: () => [],
  reputationOf: () => 0,
  ...changed,
});

test('those come first that matter most, each once, without the node itself', () => {
  const { peers, known } = peersSnapshot(sourcesWith(), 1_000);
  const ids = peers.map(({ peerId }) => peerId);
  expect(ids).toEqual(['connected', 'banned', 'maintained', 'heard last', 'heard first']);
  expect(known).toBe(5);
  expect(peers[0]).toMatchObject({ connections: [connection], isMaintained: false });
  expect(peers[1]).toMatchObject({ ban, connections: [] });
  expect(peers[2]).toMatchObject({ isMaintained: true });
});

test('those beyond the limit are counted, and nobody is asked about them', () => {
  const openConnections = 7_000;
  const heardOf = Array.from({ length: 5_000 }, (_, index) => `peer ${index}`);
  const rolesOf = vi.fn<SnapshotSources['rolesOf']>(() => []);
  const snapshot = peersSnapshot(sourcesWith({ heardOf, rolesOf, openConnections }), 100);
  expect(snapshot.peers).toHaveLength(100);
  expect(snapshot).toMatchObject({ known: 5_003, openConnections: 7_000 });
  expect(rolesOf).toHaveBeenCalledTimes(100);
});
