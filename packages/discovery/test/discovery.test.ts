import type { ServiceType } from '@lloom/codec';
import { AddressError, ConfigError } from '@lloom/core';
import { test as it } from '@lloom/inspector/vitest';
import { describe, expect } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import type { DiscoveryEvents } from '../src/events.ts';
import type { DiscoveryService } from '../src/discovery.ts';
import type { Dialer } from '../src/ports.ts';
import { advertisementMachine, bootstrapMachine, refreshMachine } from '../src/machines/index.ts';
import type { Provider } from '../src/types.ts';
import {
  createService,
  createVerifier,
  descriptorFrame,
  executor,
  FakeSigner,
  never,
  nobody,
  peerIds,
  readFrame,
  tampered,
  validator,
} from './fakes.ts';
import { settled } from './machines.ts';

const { alice, bob, carol, dave } = peerIds;
const bootstrapAddress = `/ip4/127.0.0.1/tcp/4001/p2p/${bob}`;

/** Every event of a name, from now on. */
function collect<K extends keyof DiscoveryEvents>(service: DiscoveryService, type: K): DiscoveryEvents[K][] {
  const details: DiscoveryEvents[K][] = [];
  service.addEventListener(type, ({ detail }) => details.push(detail));
  return details;
}

/** What a promise was rejected with. */
async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have been rejected'),
    (error: unknown) => error,
  );
}

describe('advertising', () => {
  it('puts the role and every model into the DHT, and tells so', async () => {
    const { service, network } = await createService();
    const advertised = collect(service, 'service:advertised');
    const offer = executor(['demo-small', 'demo-large']);
    await service.advertiseService(offer);
    await settled();
    expect([...network.provided]).toEqual([
      'lloom/executor',
      'lloom/model/demo-small',
      'lloom/model/demo-large',
    ]);
    expect(advertised).toEqual([{ service: offer }]);
    await service.stop();
  });

  it('publishes new models and retires gone ones', async () => {
    const { service, network } = await createService();
    const advertised = collect(service, 'service:advertised');
    await service.advertiseService(executor(['a', 'b']));
    await settled();
    await service.updateServiceInfo(executor(['b', 'c']));
    await settled();
    expect([...network.provided].toSorted()).toEqual(['lloom/executor', 'lloom/model/b', 'lloom/model/c']);
    expect(advertised).toHaveLength(2);
    await service.stop();
  });

  it('tells an update that changes no key, and not a renewal', async () => {
    const { service, network, clock } = await createService();
    const advertised = collect(service, 'service:advertised');
    await service.advertiseService(executor());
    await settled();
    await service.updateServiceInfo(executor(['demo-small'], { capacity: 9 }));
    await settled();
    expect(
      advertised.map((detail) => (detail.service.kind === 'executor' ? detail.service.capacity : 0)),
    ).toEqual([4, 9]);
    let renewed = 0;
    network.onProvide = async () => ++renewed;
    await clock.advance(1_320_000);
    expect(renewed).toBe(2);
    expect(advertised).toHaveLength(2);
    await service.stop();
  });

  it('advertises both kinds at once, and withdraws one', async () => {
    const { service, network } = await createService();
    const withdrawn = collect(service, 'service:withdrawn');
    await service.advertiseService(executor());
    await service.advertiseService(validator);
    await settled();
    await service.withdrawService('executor');
    expect([...network.provided]).toEqual(['lloom/validator']);
    expect(withdrawn).toEqual([{ service: executor() }]);
    expect(service.snapshot().advertisements).toEqual([{ service: validator, state: 'published' }]);
    await service.withdrawService('executor');
    expect(withdrawn).toHaveLength(1);
    await service.stop();
  });

  it('is offered again when that is wanted while it is being withdrawn', async () => {
    const { service, network } = await createService();
    await service.advertiseService(executor(['a']));
    await settled();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    network.onRetire = () => held;
    const withdrawal = service.withdrawService('executor');
    await service.advertiseService(executor(['b']));
    release();
    await withdrawal;
    await settled();
    expect([...network.provided].toSorted()).toEqual(['lloom/executor', 'lloom/model/b']);
    expect(service.snapshot().advertisements).toEqual([{ service: executor(['b']), state: 'published' }]);
    await service.stop();
  });

  it('keeps trying while no peer takes it, and goes on as soon as one is known', async () => {
    const { service, network, clock } = await createService();
    const retrying = collect(service, 'service:retrying');
    const advertised = collect(service, 'service:advertised');
    network.taken = 0;
    await service.advertiseService(executor());
    await settled();
    await clock.advance(1_100);
    expect(retrying).toHaveLength(2);
    expect(retrying[1]?.error).toMatchObject({ code: 'PUBLISH_FAILED', data: { reason: 'NO_PEERS' } });
    expect(retrying[1]?.delayMs).toBeGreaterThan(retrying[0]?.delayMs ?? Number.NaN);
    network.taken = 2;
    network.watcher?.onPeer({ peerId: bob, addresses: [] });
    await settled();
    expect(advertised).toHaveLength(1);
    await service.stop();
  });

  it('waits for an address, and publishes again when addresses change', async () => {
    const { service, network } = await createService();
    const retrying = collect(service, 'service:retrying');
    const advertised = collect(service, 'service:advertised');
    network.listening = [];
    network.watcher?.onAddresses();
    await service.advertiseService(executor());
    await settled();
    expect(retrying[0]?.error.data.reason).toBe('NO_ADDRESSES');
    const before = readFrame(await network.serving!());
    network.listening = ['/ip4/127.0.0.1/tcp/4002'];
    network.watcher?.onAddresses();
    await settled();
    expect(advertised).toHaveLength(1);
    const after = readFrame(await network.serving!());
    expect(after?.addresses).toEqual(['/ip4/127.0.0.1/tcp/4002']);
    expect(after?.sequence).toBeGreaterThan(before?.sequence ?? Number.NaN);
    let republished = 0;
    network.onProvide = async () => ++republished;
    network.watcher?.onAddresses();
    await settled();
    expect(republished).toBe(0);
    await service.stop();
  });

  it('says when there is no DHT, and when it is too slow', async () => {
    const { service, network, clock } = await createService({ queryTimeoutMs: 1_000 });
    const retrying = collect(service, 'service:retrying');
    network.loseDht();
    await service.advertiseService(executor());
    await settled();
    network.onProvide = (_, signal) => never(signal);
    await clock.advance(3_000);
    network.onProvide = () => Promise.reject(new Error('broken'));
    await clock.advance(10_000);
    const reasons = retrying.map(({ error }) => error.data.reason);
    expect([...new Set(reasons)]).toEqual(['NO_DHT', 'TIMEOUT', 'FAILED']);
    await service.stop();
  });

  it('records before the start, and publishes after each start', async () => {
    const { service, network } = await createService({ started: false });
    const advertised = collect(service, 'service:advertised');
    await service.advertiseService(validator);
    expect(service.snapshot()).toMatchObject({ running: false, advertisements: [{ state: 'stopped' }] });
    await service.start();
    service.afterStart();
    await settled();
    expect(advertised).toHaveLength(1);
    await service.stop();
    network.provided.clear();
    await service.start();
    service.afterStart();
    await settled();
    expect([...network.provided]).toEqual(['lloom/validator']);
    expect(advertised).toHaveLength(2);
    await service.stop();
  });

  it('keeps its own copy of an offer', async () => {
    const { service } = await createService();
    const models = ['a'];
    await service.advertiseService(executor(models));
    models.push('b');
    expect((await service.describeService(alice))?.services).toEqual([executor(['a'])]);
    await service.stop();
  });

  const invalid: [what: string, service: unknown, path: string][] = [
    ['another kind', { kind: 'oracle' }, 'kind'],
    ['no kind', {}, 'kind'],
    ['nothing', undefined, 'kind'],
    ['no models', executor([]), 'models'],
    ['models that are no list', { ...executor(), models: 'demo-small' }, 'models'],
    ['an empty name', executor(['']), 'models[0]'],
    ['half a slot', executor(['a'], { capacity: 0.5 }), 'capacity'],
    [
      'a price that is no number',
      executor(['a'], { pricing: { inboundPrice: 'x', outboundPrice: '1' } }),
      'pricing.inboundPrice',
    ],
    ['a stake that is no number', { kind: 'validator', stake: '-1' }, 'stake'],
    [
      'more than a descriptor holds',
      executor(Array.from({ length: 400 }, (_, n) => `${n}`.padEnd(200))),
      'services',
    ],
  ];
  it.each(invalid)('refuses %s', async (_, offer, path) => {
    const { service } = await createService();
    const error = await errorOf(service.advertiseService(offer as ServiceType));
    expect(error).toSatisfy((each) => DiscoveryError.is(each, 'INVALID_SERVICE'));
    expect((error as DiscoveryError<'INVALID_SERVICE'>).data.path).toBe(path);
    expect(service.snapshot().advertisements).toEqual([]);
    await service.stop();
  });

  it('needs a signer, and the one whose key is the node’s', async () => {
    const { service: unsigned } = await createService({ started: false, signer: undefined as never });
    expect(await errorOf(unsigned.advertiseService(validator))).toMatchObject({ code: 'MISSING_SIGNER' });
    const { service: foreign } = await createService({ started: false, signer: new FakeSigner(bob) });
    expect(await errorOf(foreign.advertiseService(validator))).toMatchObject({ code: 'SIGNER_MISMATCH' });
  });
});

describe('the own descriptor', () => {
  it('is nothing until something is offered, and empty at once when it is withdrawn', async () => {
    const { service, network } = await createService();
    const ask = async () => readFrame(await network.serving!());
    expect(await ask()).toBeUndefined();
    await service.advertiseService(executor());
    expect((await ask())?.services).toEqual([executor()]);
    network.onRetire = () => new Promise(() => {});
    const withdrawal = service.withdrawService('executor');
    expect((await ask())?.services).toEqual([]);
    await service.stop();
    await withdrawal;
  });

  it('is signed once for many, and again before it is too old', async () => {
    const { service, network, clock, signer } = await createService({ descriptorTtlMs: 90_000 });
    await service.advertiseService(executor());
    await Promise.all([network.serving!(), network.serving!()]);
    await clock.advance(59_999);
    await network.serving!();
    expect(signer.signed).toBe(1);
    await clock.advance(1);
    await network.serving!();
    expect(signer.signed).toBe(2);
    await service.stop();
  });

  it('has a sequence that grows with every change, and across restarts', async () => {
    const { service, network, clock } = await createService();
    const sequence = async () => readFrame(await network.serving!())?.sequence ?? Number.NaN;
    await service.advertiseService(executor());
    const first = await sequence();
    await service.updateServiceInfo(executor());
    const second = await sequence();
    await service.withdrawService('executor');
    const third = await sequence();
    expect([second - first, third - second]).toEqual([1, 1]);
    expect(first).toBe(clock.now());
    await service.stop();
  });

  it('is signed anew after a signer that failed', async () => {
    const { service, network, signer } = await createService();
    await service.advertiseService(executor());
    const sign = signer.sign.bind(signer);
    signer.sign = () => Promise.reject(new Error('locked'));
    await expect(network.serving!()).rejects.toThrow('locked');
    signer.sign = sign;
    expect(readFrame(await network.serving!())?.services).toHaveLength(1);
    await service.stop();
  });
});

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
      { peerId: bob, addresses: ['/ip4/127.0.0.1/tcp/5002'], info: offer, agentVersion: 'other/2' },
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
    expect(provider).toEqual({ peerId: bob, addresses: ['/ip4/127.0.0.1/tcp/5001'], info: validator });
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

  it('asks eight peers at a time, and 64 in all', async () => {
    const { service, network, clock } = await createService();
    network.names(...Array.from({ length: 500 }, (_, n) => `peer-${n}`));
    let [active, most] = [0, 0];
    network.onAsk = async (_, signal) => {
      most = Math.max(most, ++active);
      try {
        return await never<Uint8Array>(signal);
      } finally {
        active--;
      }
    };
    const search = errorOf(service.requireModelProviders('demo-small'));
    await clock.advance(45_000);
    expect(await search).toMatchObject({ code: 'NO_PROVIDERS', data: { asked: 64 } });
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
    expect(await errorOf(service.discoverExecutors())).toMatchObject({ code: 'QUERY_FAILED' });
    network.loseDht();
    expect(await errorOf(service.discoverExecutors())).toMatchObject({ code: 'NO_DHT' });
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
    for (const config of [{ limit: 0 }, { limit: 65 }, { timeoutMs: -1 }, { limits: 1 } as object]) {
      expect(await errorOf(service.discoverExecutors(config))).toSatisfy((error) => ConfigError.is(error));
    }
    await service.stop();
  });
});

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

describe('joining', () => {
  it('joins by itself, and tells', async () => {
    const { service, network } = await createService({ started: false, bootstrapPeers: [bootstrapAddress] });
    const joined = collect(service, 'bootstrap:joined');
    await service.start();
    service.afterStart();
    await settled();
    expect(joined).toEqual([{ peerIds: [bob], foundPeers: 3 }]);
    expect(network.remembered).toEqual([bootstrapAddress]);
    await service.stop();
  });

  it('keeps trying until a peer answers, then publishes what waits', async () => {
    const { service, network, clock } = await createService({
      started: false,
      bootstrapPeers: [bootstrapAddress],
    });
    const retrying = collect(service, 'bootstrap:retrying');
    const advertised = collect(service, 'service:advertised');
    network.onDial = () => Promise.reject(new Error('connection refused'));
    network.taken = 0;
    await service.advertiseService(executor());
    await service.start();
    service.afterStart();
    await clock.advance(10_000);
    expect(retrying.length).toBeGreaterThan(2);
    expect(retrying[0]?.error.data.failures).toEqual([
      { address: bootstrapAddress, reason: 'connection refused' },
    ]);
    network.onDial = () => Promise.resolve();
    network.taken = 1;
    await clock.advance(30_000);
    expect(advertised).toHaveLength(1);
    await service.stop();
  });

  it('dials again when the last bootstrap peer is lost, and from time to time', async () => {
    const { service, network, clock } = await createService({ bootstrapPeers: [bootstrapAddress] });
    const joined = collect(service, 'bootstrap:joined');
    network.watcher?.onDisconnect(carol);
    await clock.advance(2_000);
    expect(joined).toHaveLength(0);
    network.connected.clear();
    network.watcher?.onDisconnect(bob);
    await clock.advance(2_000);
    expect(joined).toHaveLength(1);
    await clock.advance(990_000);
    expect(joined).toHaveLength(2);
    expect(network.remembered).toHaveLength(3);
    await service.stop();
  });

  it('rejects with a reason for every address, and goes on by itself', async () => {
    const { service, network, clock } = await createService();
    const other = `/dns4/bootstrap.example.org/tcp/4001/p2p/${carol}`;
    service.addBootstrapPeer(bootstrapAddress);
    service.addBootstrapPeer(other);
    service.addBootstrapPeer(other);
    expect(service.bootstrapPeers()).toEqual([bootstrapAddress, other]);
    expect(network.connected.size).toBe(0);
    network.onDial = (peerId, signal) =>
      peerId === bob ? Promise.reject(new Error('refused')) : never(signal);
    const failed = errorOf(service.bootstrap());
    await clock.advance(10_000);
    expect(await failed).toMatchObject({
      code: 'BOOTSTRAP_FAILED',
      data: {
        failures: [
          { address: bootstrapAddress, reason: 'refused' },
          { address: other, reason: 'no connection within 10000 ms' },
        ],
      },
    });
    expect(service.snapshot().bootstrap.state).toBe('backingOff');
    network.onDial = () => Promise.resolve();
    await service.bootstrap();
    expect(service.snapshot().bootstrap.state).toBe('joined');
    await service.stop();
  });

  it('succeeds when one of several answers', async () => {
    const { service, network } = await createService();
    service.addBootstrapPeer(bootstrapAddress);
    service.addBootstrapPeer(`/ip4/127.0.0.1/tcp/4002/p2p/${carol}`);
    network.onDial = (peerId) => (peerId === bob ? Promise.reject(new Error('refused')) : Promise.resolve());
    await service.bootstrap();
    await service.stop();
  });

  it('shares a round that is under way, and begins another for a new peer', async () => {
    const { service, network } = await createService();
    let dials = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    network.onDial = () => {
      dials++;
      return promise;
    };
    service.addBootstrapPeer(bootstrapAddress);
    const both = [service.bootstrap(), service.bootstrap()];
    await settled();
    expect(dials).toBe(1);
    service.addBootstrapPeer(`/ip4/127.0.0.1/tcp/4002/p2p/${carol}`);
    both.push(service.bootstrap());
    await settled();
    expect(dials).toBe(3);
    resolve();
    await Promise.all(both);
    await service.stop();
  });

  it('has joined without a DHT, but cannot look itself up', async () => {
    const { service, network, clock } = await createService();
    network.loseDht();
    service.addBootstrapPeer(bootstrapAddress);
    await service.bootstrap();
    expect(await errorOf(service.kadBootstrap())).toMatchObject({ code: 'NO_DHT' });
    network.onFindSelf = () => Promise.reject(new Error('broken'));
    expect(await errorOf(service.kadBootstrap())).toMatchObject({ code: 'QUERY_FAILED' });
    network.onFindSelf = (signal) => never(signal);
    const slow = errorOf(service.kadBootstrap());
    await clock.advance(60_000);
    expect(await slow).toMatchObject({ code: 'QUERY_TIMEOUT' });
    const controller = new AbortController();
    const cancelled = errorOf(service.kadBootstrap({ signal: controller.signal }));
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    const stopped = errorOf(service.kadBootstrap());
    await service.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
    expect(await errorOf(service.kadBootstrap())).toMatchObject({ code: 'STOPPED' });
  });

  it('needs a peer other than this node', async () => {
    const { service } = await createService();
    expect(await errorOf(service.bootstrap())).toMatchObject({
      code: 'NO_BOOTSTRAP_PEERS',
      data: { known: 0 },
    });
    service.addBootstrapPeer(`/ip4/127.0.0.1/tcp/4001/p2p/${alice}`);
    expect(await errorOf(service.bootstrap())).toMatchObject({
      code: 'NO_BOOTSTRAP_PEERS',
      data: { known: 1 },
    });
    await service.stop();
    expect(await errorOf(service.bootstrap())).toMatchObject({ code: 'STOPPED' });
  });

  it('lets a caller stop waiting', async () => {
    const { service, network } = await createService();
    network.onDial = (_, signal) => never(signal);
    service.addBootstrapPeer(bootstrapAddress);
    expect(await errorOf(service.bootstrap({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'CANCELLED',
    });
    expect(service.snapshot().bootstrap.state).toBe('idle');
    const controller = new AbortController();
    const waiting = errorOf(service.bootstrap({ signal: controller.signal }));
    controller.abort();
    expect(await waiting).toMatchObject({ code: 'CANCELLED' });
    expect(service.snapshot().bootstrap.state).toBe('dialing');
    const stopped = errorOf(service.bootstrap());
    await service.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
  });

  const unusable = [
    ['/ip4/bootstrap1.lloom.network/tcp/4001/p2p/12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM'],
    ['/ip4/bootstrap2.lloom.network/tcp/4001/p2p/12D3KooWLRPJgqrZxc7CZ7ojbVXKmQ3pYAe2dCTmJbHN6F5RdVkE'],
  ];
  it.each(unusable)('explains what is wrong with %s', async (address) => {
    const { service } = await createService({ started: false });
    const act = (): void => service.addBootstrapPeer(address);
    expect(act).toThrow(AddressError);
    expect(act).toThrow(expect.objectContaining({ code: 'INVALID_MULTIADDR' }) as Error);
    expect(act).toThrow('/dns4/bootstrap');
    await expect(createService({ bootstrapPeers: [address] })).rejects.toThrow('/dns4/bootstrap');
  });

  it('wants a peer id at the end of an address', async () => {
    const { service } = await createService({ started: false });
    expect(() => service.addBootstrapPeer('/ip4/127.0.0.1/tcp/4001')).toThrow(
      expect.objectContaining({ code: 'MISSING_PEER_ID' }) as Error,
    );
  });
});

describe('refreshing', () => {
  it('looks again for what was looked for, when asked and by itself', async () => {
    const { service, clock } = await createService();
    await service.discoverExecutors();
    await service.findModelProviders('a');
    await service.findModelProviders('a');
    const discovered = collect(service, 'service:discovered');
    await Promise.all([service.refreshServices(), service.refreshServices()]);
    expect(discovered.map((event) => event.service)).toEqual([
      { kind: 'executor' },
      { kind: 'executor', model: 'a' },
    ]);
    await clock.advance(330_000);
    expect(discovered).toHaveLength(4);
    await service.stop();
  });

  it('remembers the last 32 questions', async () => {
    const { service } = await createService();
    for (let n = 0; n < 40; n++) await service.findModelProviders(`model-${n}`);
    const { interests } = service.snapshot().refresh;
    expect(interests).toHaveLength(32);
    expect(interests[0]).toEqual({ kind: 'executor', model: 'model-8' });
    await service.stop();
  });

  it('rejects when not one search worked, and tries again sooner', async () => {
    const { service, network, clock } = await createService();
    await service.discoverExecutors();
    network.loseDht();
    expect(await errorOf(service.refreshServices())).toMatchObject({ code: 'QUERY_FAILED' });
    expect(service.snapshot().refresh.state).toBe('backingOff');
    network.names();
    const discovered = collect(service, 'service:discovered');
    await clock.advance(1_100);
    expect(discovered).toHaveLength(1);
    await service.stop();
    expect(await errorOf(service.refreshServices())).toMatchObject({ code: 'STOPPED' });
  });

  it('has nothing to do as long as nobody asked', async () => {
    const { service } = await createService();
    await service.refreshServices();
    await service.stop();
  });
});

describe('starting and stopping', () => {
  it('tells peers of the DHT as they become known', async () => {
    const { service, network } = await createService();
    const updated = collect(service, 'routing:updated');
    network.watcher?.onPeer({ peerId: bob, addresses: ['/ip4/127.0.0.1/tcp/1'] });
    expect(updated).toEqual([{ peerId: bob, addresses: ['/ip4/127.0.0.1/tcp/1'] }]);
    await service.stop();
  });

  it('can be called twice, each', async () => {
    const { service, network } = await createService({ started: false });
    await service.stop();
    await Promise.all([service.start(), service.start()]);
    service.afterStart();
    service.afterStart();
    expect(network.serving).toBeDefined();
    await service.stop();
    await service.stop();
    expect([network.serving, network.watcher]).toEqual([undefined, undefined]);
    service.afterStart();
    expect(service.snapshot().running).toBe(false);
  });

  it('leaves another service alone that answers already', async () => {
    const { service, network } = await createService({ started: false });
    const other = async () => new Uint8Array();
    network.serving = other;
    await expect(service.start()).rejects.toThrow('somebody serves already');
    await service.stop();
    expect(network.serving).toBe(other);
  });

  it('leaves no timer and no wait behind, whatever is under way', async () => {
    const { service, network, clock } = await createService({ bootstrapPeers: [bootstrapAddress] });
    network.onFind = async function* (_, signal) {
      yield { peerId: carol, addresses: [] };
      await never(signal);
    };
    network.onAsk = (_, signal) => never(signal);
    network.onFindSelf = (signal) => never(signal);
    network.onProvide = (_, signal) => never(signal);
    network.onRetire = () => new Promise(() => {});
    await service.advertiseService(executor());
    await service.advertiseService(validator);
    await settled();
    const acts = [
      service.withdrawService('executor').catch(() => 'withdrawn'),
      errorOf(service.discoverExecutors()),
      errorOf(service.validators().next()),
      errorOf(service.describeService(carol)),
      errorOf(service.bootstrap()),
      errorOf(service.kadBootstrap()),
      errorOf(service.refreshServices()),
      service.events()[Symbol.asyncIterator]().next(),
    ];
    await settled();
    expect(clock.pending).toBeGreaterThan(5);
    await service.stop();
    await Promise.all(acts);
    await settled();
    expect(clock.pending).toBe(0);
    expect(service.snapshot().bootstrap.state).toBe('stopped');
  });

  it('shows its machines to an inspector, and itself as plain JSON', async ({ machines }) => {
    const inspect = machines.inspect as (event: { readonly type: string }) => void;
    const { service } = await createService({ inspect, bootstrapPeers: [bootstrapAddress] });
    await service.advertiseService(validator);
    await service.refreshServices();
    await settled();
    for (const machine of [advertisementMachine, bootstrapMachine, refreshMachine]) {
      expect(machines.coverage(machine).taken).toBeGreaterThan(0);
    }
    const snapshot = service.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    expect(snapshot).toMatchObject({
      running: true,
      advertisements: [{ service: validator, state: 'published' }],
      bootstrap: { state: 'joined', peers: [bootstrapAddress] },
      refresh: { state: 'resting', interests: [] },
    });
    await service.stop();
  });

  it('survives listeners that throw', async () => {
    const { service, network } = await createService();
    service.addEventListener('routing:updated', () => {
      throw new Error('by the user');
    });
    network.watcher?.onPeer({ peerId: bob, addresses: [] });
    expect(network.errors).toHaveLength(1);
    await service.stop();
  });
});
