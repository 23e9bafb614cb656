import { Identity } from '@lloom/identity';
import { expect, test, vi } from 'vitest';
import { wire, type Services } from './wiring.ts';

test('addresses that strangers name are dialled as theirs, so that the address policy applies to them', async () => {
  const dialPeer = vi.fn<Services['peers']['dialPeer']>();
  const servicesOf = vi
    .fn<Services['discovery']['servicesOf']>()
    .mockReturnValue([{ kind: 'validator', stake: '1' }]);
  const services = { peers: { dialPeer }, discovery: { servicesOf } } as unknown as Services;
  const identity = Identity.generate();
  const ports = wire({ signer: identity.signer(), verifier: identity.verifier() }, () => services, {});
  const { signal } = new AbortController();
  await ports.discovery.dialer?.dial('peer-1', ['/ip4/10.0.0.1/tcp/1'], { signal, toldBy: 'peers' });
  expect(dialPeer).toHaveBeenCalledWith('peer-1', ['/ip4/10.0.0.1/tcp/1'], { signal, toldBy: 'peers' });
  expect(ports.peers.services?.('peer-1')).toEqual([{ kind: 'validator', stake: '1' }]);
});
