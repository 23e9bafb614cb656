import { AddressError } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import type { Dialer } from '../src/ports.ts';
import type { Provider } from '../src/types.ts';
import { createService, descriptorFrame, executor, never, peerIds, validator } from './fakes.ts';
import { collect, errorOf } from './observing.ts';

const { alice, bob, carol } = peerIds;
const bootstrapAddress = `/ip4/127.0.0.1/tcp/4001/p2p/${bob}`;

describe('finding as an iterable', () => {
  it('yields each as it confirms, and ends', async () => {
    const { service, network, clock } = await createService();
    network.names(bob, carol);
    const { promise, resolve } = Promise.withResolvers<void>();
    network.onAsk = async (peerId) => {
      if (peerId === carol) await promise;
      return descriptorFrame(peerId, [executor()], { clock });
    };
    const found: string[] = [];
    for await (const { peerId } of service.modelProviders('demo-small')) {
      found.push(peerId);
      await clock.advance(1_000);
      resolve();
    }
    expect(found).toEqual([bob, carol]);
    await service.stop();
  });

  it('ends the search when the reader leaves', async () => {
    const { service, network, clock } = await createService();
    const discovered = collect(service, 'service:discovered');
    let signal: AbortSignal | undefined;
    network.onFind = async function* (_, given) {
      signal = given;
      yield { peerId: bob, addresses: [] };
      await never(given);
    };
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    const found: Provider[] = [];
    for await (const provider of service.executors()) {
      found.push(provider);
      break;
    }
    expect(signal?.aborted).toBe(true);
    expect(discovered).toEqual([{ service: { kind: 'executor' }, providers: found }]);
    await service.stop();
  });

  it('throws what the promise form rejects with', async () => {
    const { service, network } = await createService();
    network.loseDht();
    expect(await errorOf(service.validators().next())).toMatchObject({ code: 'NO_DHT' });
    const early = service.validators();
    await service.stop();
    expect(await errorOf(early.next())).toMatchObject({ code: 'STOPPED' });
    expect(() => service.validators()).toThrow(DiscoveryError);
  });
});

describe('asking one peer', () => {
  it('gives what the peer proves', async () => {
    const { service, network, clock } = await createService();
    network.onAsk = (peerId) => descriptorFrame(peerId, [validator], { clock });
    expect(await service.describeService(bob)).toMatchObject({ peerId: bob, services: [validator] });
    network.onAsk = async () => new Uint8Array();
    expect(await service.describeService(bob)).toBeUndefined();
    expect(await service.describeService(alice)).toBeUndefined();
    await service.stop();
  });

  it('holds it against a peer when what it says of itself is not signed by it, not when its clock is wrong', async () => {
    const facts: string[] = [];
    const reputation = { report: (peerId: string, fact: string) => void facts.push(`${peerId} ${fact}`) };
    const { service, network, clock } = await createService({ reputation });
    network.onAsk = () => descriptorFrame(bob, [validator], { clock: { now: () => 1_000 } });
    expect(await errorOf(service.describeService(bob))).toMatchObject({ data: { reason: 'EXPIRED' } });
    expect(facts).toEqual([]);
    network.onAsk = () => descriptorFrame(carol, [validator], { clock });
    await errorOf(service.describeService(bob));
    await errorOf(service.describeService(bob));
    expect(facts).toEqual([`${bob} INVALID_DESCRIPTOR`]);
    await service.stop();
  });

  it('says why not', async () => {
    const { service, network, clock } = await createService();
    network.onAsk = () => descriptorFrame(carol, [validator], { clock });
    expect(await errorOf(service.describeService(bob))).toMatchObject({ code: 'DESCRIPTOR_REFUSED' });
    network.onDial = () =>
      Promise.reject(new AggregateError([new Error('a'), new Error('b'), new Error('a')]));
    expect(await errorOf(service.describeService(bob))).toMatchObject({
      code: 'DESCRIPTOR_UNREACHABLE',
      data: { reason: 'a; b' },
    });
    network.onDial = (_, signal) => never(signal);
    const slow = errorOf(service.describeService(bob));
    await clock.advance(5_000);
    expect(await slow).toMatchObject({ data: { reason: 'no answer within 5000 ms' } });
    const controller = new AbortController();
    const cancelled = errorOf(service.describeService(bob, { signal: controller.signal }));
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    expect(await errorOf(service.describeService('bob'))).toSatisfy((error) => AddressError.is(error));
    const stopped = errorOf(service.describeService(bob));
    await service.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
    expect(await errorOf(service.describeService(bob))).toMatchObject({ code: 'STOPPED' });
  });

  it('dials through the dialer that it was given, and says who named the addresses', async () => {
    const dialled: string[][] = [];
    const dialer: Dialer = { dial: async (peerId, _, { toldBy }) => void dialled.push([peerId, toldBy]) };
    const { service, network, clock } = await createService({ dialer, bootstrapPeers: [bootstrapAddress] });
    network.onAsk = (peerId) => descriptorFrame(peerId, [validator], { clock });
    await service.describeService(carol);
    expect(dialled).toEqual([
      [bob, 'user'],
      [carol, 'peers'],
    ]);
    expect(service.servicesOf(carol)).toEqual([validator]);
    await service.stop();
  });
});
