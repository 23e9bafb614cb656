import { ConfigError } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import {
  createService,
  createVerifier,
  descriptorFrame,
  executor,
  never,
  nobody,
  peerIds,
  tampered,
  validator,
} from './fakes.ts';
import { settled } from './machines.ts';
import { collect, errorOf } from './observing.ts';

const { alice, bob, carol, dave } = peerIds;

describe('finding', () => {
  it('gives those who confirm, with what they offer', async () => {
    const { service, network, clock } = await createService();
    const discovered = collect(service, 'service:discovered');
    const offer = executor(['demo-small'], { pricing: { inboundPrice: '1', outboundPrice: '2' } });
    network.names(bob, alice, bob);
    network.onAsk = (peerId) => {
      const addresses = ['/ip4/127.0.0.1/tcp/5002', 'not an address'];
      return descriptorFrame(peerId, [offer], { clock, descriptor: { addresses, agentVersion: 'other/2' } });
    };
    const providers = await service.findModelProviders('demo-small');
    expect(providers).toEqual([
      {
        peerId: bob,
        addresses: ['/ip4/127.0.0.1/tcp/5002'],
        info: offer,
        heardAt: clock.now(),
        agentVersion: 'other/2',
      },
    ]);
    expect(network.asked).toEqual([bob]);
    expect(discovered).toEqual([{ service: { kind: 'executor', model: 'demo-small' }, providers }]);
    expect(clock.pending).toBe(1);
    await service.stop();
  });

  it('falls back to the addresses that others named', async () => {
    const { service, network, clock } = await createService();
    network.names(bob);
    network.onAsk = (peerId) => descriptorFrame(peerId, [validator], { clock });
    const [provider] = await service.discoverValidators();
    expect(provider).toEqual({
      peerId: bob,
      addresses: ['/ip4/127.0.0.1/tcp/5001'],
      info: validator,
      heardAt: clock.now(),
    });
    await service.stop();
  });

  it('looks under the key of what is asked for', async () => {
    const { service, network } = await createService();
    const keys: string[] = [];
    network.onFind = (key) => {
      keys.push(key);
      return nobody();
    };
    await service.discoverExecutors();
    await service.discoverValidators();
    await service.findModelProviders('a/b');
    expect(keys).toEqual(['lloom/executor', 'lloom/validator', 'lloom/model/a/b']);
    await service.stop();
  });

  const lies: [what: string, frame: () => Promise<Uint8Array>, reason: string][] = [
    ['nothing', async () => new Uint8Array(), 'NOT_OFFERED'],
    ['another model', () => descriptorFrame(bob, [executor(['other'])]), 'NOT_OFFERED'],
    ['another kind', () => descriptorFrame(bob, [validator]), 'NOT_OFFERED'],
    ['an empty descriptor', () => descriptorFrame(bob, []), 'NOT_OFFERED'],
    ['bytes that are no frame', async () => new Uint8Array([255, 255, 255]), 'MALFORMED'],
    ['too many bytes', async () => new Uint8Array(70_000), 'TOO_LARGE'],
    ['a changed payload', async () => tampered(await descriptorFrame(bob, [executor()])), 'BAD_SIGNATURE'],
    ['the descriptor of another', () => descriptorFrame(carol, [executor()]), 'WRONG_SIGNER'],
    [
      'another’s offer as its own',
      () => descriptorFrame(bob, [executor()], { descriptor: { peerId: carol } }),
      'WRONG_PEER',
    ],
    [
      'an old descriptor',
      () => descriptorFrame(bob, [executor()], { clock: { now: () => 1_000 } }),
      'EXPIRED',
    ],
    [
      'one that lasts for years',
      () => descriptorFrame(bob, [executor()], { ttlMs: 600_001 }),
      'LIFETIME_TOO_LONG',
    ],
    ['a failing stream', () => Promise.reject(new Error('reset')), 'UNREACHABLE'],
  ];
  it.each(lies)('rejects a peer that sends %s', async (_, frame, reason) => {
    const { service, network } = await createService({ verifier: createVerifier() });
    network.names(bob);
    network.onAsk = frame;
    const error = await errorOf(service.requireModelProviders('demo-small'));
    expect(error).toMatchObject({
      code: 'NO_PROVIDERS',
      data: {
        kind: 'executor',
        model: 'demo-small',
        asked: 1,
        confirmed: 0,
        rejected: [{ peerId: bob, reason }],
      },
    });
    expect(await service.findModelProviders('demo-small')).toEqual([]);
    await service.stop();
  });

  it('does not dial a peer whose key cannot sign', async () => {
    const { service, network } = await createService({
      verifier: { ...createVerifier(), addressOf: () => undefined },
    });
    network.names(bob);
    const error = await errorOf(service.requireModelProviders('demo-small'));
    expect(error).toMatchObject({ data: { rejected: [{ peerId: bob, reason: 'KEY_TYPE' }] } });
    expect(network.asked).toEqual([]);
    await service.stop();
  });

  it('waits a little for others after the first, and not for those who are silent', async () => {
    const { service, network, clock } = await createService();
    network.names(dave, bob, carol);
    const { promise, resolve } = Promise.withResolvers<void>();
    network.onAsk = async (peerId, signal) => {
      if (peerId === dave) return never(signal);
      if (peerId === carol) await promise;
      return descriptorFrame(peerId, [executor()], { clock });
    };
    const search = service.discoverExecutors();
    await settled();
    resolve();
    await clock.advance(300);
    expect((await search).map(({ peerId }) => peerId)).toEqual([bob, carol]);
    await service.stop();
  });

  it('ends at the limit', async () => {
    const { service, network, clock } = await createService();
    network.names(bob, carol, dave);
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    expect(await service.discoverExecutors({ limit: 2 })).toHaveLength(2);
    await service.stop();
  });

  it('gives each silent peer its own time only', async () => {
    const { service, network, clock } = await createService();
    network.names(bob);
    network.onAsk = (_, signal) => never(signal);
    const search = errorOf(service.requireModelProviders('demo-small'));
    await clock.advance(5_000);
    expect(await search).toMatchObject({ data: { rejected: [{ peerId: bob, reason: 'UNREACHABLE' }] } });
    await service.stop();
  });

  it('asks eight peers at a time, and 1,024 in all', async () => {
    const { service, network } = await createService();
    network.names(...Array.from({ length: 2_000 }, (_, n) => `peer-${n}`));
    let [active, most] = [0, 0];
    network.onAsk = async () => {
      most = Math.max(most, ++active);
      await settled();
      active--;
      return new Uint8Array();
    };
    const error = await errorOf(service.requireModelProviders('demo-small'));
    expect(error).toMatchObject({ code: 'NO_PROVIDERS', data: { asked: 1_024 } });
    expect(network.asked).toHaveLength(1_024);
    expect(most).toBe(8);
    await service.stop();
  });

  it('keeps what was confirmed when the DHT fails', async () => {
    const { service, network, clock } = await createService();
    network.onFind = async function* () {
      yield { peerId: bob, addresses: [] };
      throw new Error('the query was aborted');
    };
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    expect(await service.discoverExecutors()).toHaveLength(1);
    network.onAsk = () => Promise.reject(new Error('gone'));
    const search = () => errorOf(service.discoverExecutors({ maxAgeMs: 0 }));
    expect(await search()).toMatchObject({ code: 'QUERY_FAILED' });
    network.loseDht();
    expect(await search()).toMatchObject({ code: 'NO_DHT' });
    await service.stop();
  });

  it('ends in time when the DHT does not, even when it does not listen', async () => {
    const { service, network, clock } = await createService();
    network.onFind = () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) });
    const search = errorOf(service.discoverExecutors({ timeoutMs: 1_000 }));
    await clock.advance(1_000);
    expect(await search).toMatchObject({ code: 'QUERY_TIMEOUT', data: { waitedMs: 1_000, asked: 0 } });
    await service.stop();
  });

  it('ends when the caller or the service wants it', async () => {
    const { service, network } = await createService();
    network.onFind = (_, signal) => ({ [Symbol.asyncIterator]: () => ({ next: () => never(signal) }) });
    const controller = new AbortController();
    const cancelled = errorOf(service.discoverExecutors({ signal: controller.signal }));
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    const early = errorOf(service.discoverExecutors({ signal: AbortSignal.abort() }));
    expect(await early).toMatchObject({ code: 'CANCELLED' });
    const stopped = errorOf(service.discoverValidators());
    await service.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
    expect(await errorOf(service.discoverValidators())).toMatchObject({ code: 'STOPPED' });
  });

  it('needs a verifier, names that can be used, and limits that make sense', async () => {
    const { service: trusting } = await createService({ verifier: undefined as never });
    expect(await errorOf(trusting.discoverExecutors())).toMatchObject({ code: 'MISSING_VERIFIER' });
    expect(() => trusting.executors()).toThrow(DiscoveryError);
    expect(await errorOf(trusting.describeService(bob))).toMatchObject({ code: 'MISSING_VERIFIER' });
    await trusting.stop();
    const { service } = await createService();
    for (const model of ['', 'x'.repeat(257), 7 as never, undefined as never]) {
      expect(await errorOf(service.findModelProviders(model))).toMatchObject({ code: 'INVALID_SERVICE' });
    }
    for (const config of [
      { limit: 0 },
      { limit: 1_025 },
      { maxAgeMs: -1 },
      { timeoutMs: -1 },
      { limits: 1 } as object,
    ]) {
      expect(await errorOf(service.discoverExecutors(config))).toSatisfy((error) => ConfigError.is(error));
    }
    await service.stop();
  });
});
