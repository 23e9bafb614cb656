import { Identity } from '@lloom/identity';
import { MemoryDatastore } from 'datastore-core';
import { expect, test, vi } from 'vitest';
import { wire, type OwnPorts, type Services } from './wiring.ts';

/** The ports of a node whose services are these. */
function portsOf(services: object, own: OwnPorts = {}) {
  const identity = Identity.generate();
  const signing = { signer: identity.signer(), verifier: identity.verifier() };
  return wire(signing, () => services as Services, own);
}

test('addresses that strangers name are dialled as theirs, so that the address policy applies to them', async () => {
  const dialPeer = vi.fn<Services['peers']['dialPeer']>();
  const ports = portsOf({ peers: { dialPeer } });
  const { signal } = new AbortController();
  await ports.discovery.dialer?.dial('peer-1', ['/ip4/10.0.0.1/tcp/1'], { signal, toldBy: 'peers' });
  expect(dialPeer).toHaveBeenCalledWith('peer-1', ['/ip4/10.0.0.1/tcp/1'], { signal, toldBy: 'peers' });
});

test('what a peer offers is told by discovery', () => {
  const ports = portsOf({ discovery: { servicesOf: () => [{ kind: 'validator', stake: '1' }] } });
  expect(ports.peers.services?.('peer-1')).toEqual([{ kind: 'validator', stake: '1' }]);
});

test('an offer says how busy the node is with requests when it is asked, not when it was built', () => {
  const rpc = { load: { capacity: 4, freeSlots: 4, queueDepth: 0 } };
  const ports = portsOf({ rpc });
  rpc.load = { capacity: 4, freeSlots: 0, queueDepth: 2 };
  expect(ports.discovery.load?.load).toEqual({ capacity: 4, freeSlots: 0, queueDepth: 2 });
});

test('a request that fails goes to whom discovery knows or finds', async () => {
  const alternativeTo = vi.fn<Services['discovery']['alternativeTo']>(() => 'known');
  const findAlternative = vi.fn<Services['discovery']['findAlternative']>(async () => 'found');
  const { alternatives } = portsOf({ discovery: { alternativeTo, findAlternative } }).rpc;
  const query = { peerId: 'peer-1', model: 'demo-small', exclude: ['peer-2'] };
  const { signal } = new AbortController();
  expect(alternatives?.find(query)).toBe('known');
  expect(await alternatives?.search(query, { signal })).toBe('found');
  expect(alternativeTo).toHaveBeenCalledWith(query);
  expect(findAlternative).toHaveBeenCalledWith(query, { signal });
});

test('requests are kept where nonces are kept, and only then', () => {
  const datastore = new MemoryDatastore();
  expect(portsOf({}, { datastore }).rpc.datastore).toBe(datastore);
  expect(portsOf({}).rpc).not.toHaveProperty('datastore');
  expect(portsOf({}, { datastore }).peers).not.toHaveProperty('datastore');
});
