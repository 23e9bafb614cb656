import type { ServiceType } from '@lloom/codec';
import { describe, expect, it } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import { keysOf } from '../src/internal/services.ts';
import { createService, executor, FakeSigner, never, peerIds, readFrame, validator } from './fakes.ts';
import { settled } from './machines.ts';
import { collect, errorOf } from './observing.ts';

const { alice, bob } = peerIds;

describe('advertising', () => {
  it('puts the role and every model into the DHT, whole and as the part of this node, and tells so', async () => {
    const { service, network } = await createService();
    const advertised = collect(service, 'service:advertised');
    const offer = executor(['demo-small', 'demo-large']);
    await service.advertiseService(offer);
    await settled();
    expect([...network.provided]).toEqual([
      'lloom/executor',
      'lloom/model/demo-small',
      'lloom/model/demo-large',
      'lloom/shard/7/executor',
      'lloom/shard/7/model/demo-small',
      'lloom/shard/7/model/demo-large',
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
    expect(network.provided).toEqual(new Set(keysOf(executor(['b', 'c']), alice)));
    expect(advertised).toHaveLength(2);
    await service.stop();
  });

  it('tells an update that changes no key, and not a renewal', async () => {
    const { service, network, clock } = await createService();
    const advertised = collect(service, 'service:advertised');
    // Where fewer have taken a key it is put there again sooner.
    network.taken = 20;
    await service.advertiseService(executor());
    await settled();
    await service.updateServiceInfo(executor(['demo-small'], { capacity: 9 }));
    await settled();
    expect(
      advertised.map((detail) => (detail.service.kind === 'executor' ? detail.service.capacity : 0)),
    ).toEqual([4, 9]);
    const renewed: string[] = [];
    network.onProvide = async (key) => renewed.push(key);
    await clock.advance(1_320_000);
    expect(renewed).toEqual(keysOf(executor(), alice));
    expect(advertised).toHaveLength(2);
    await service.stop();
  });

  it.each([
    [7, 4],
    [8, 0],
  ])('puts keys there again within 330 s when one was taken by %s peers: %s keys', async (fewest, count) => {
    const { service, network, clock } = await createService();
    network.onProvide = async (key) => (key === 'lloom/model/demo-small' ? fewest : 20);
    await service.advertiseService(executor());
    await settled();
    const again: string[] = [];
    network.onProvide = async (key) => again.push(key);
    await clock.advance(330_000);
    expect(again).toHaveLength(count);
    await service.stop();
  });

  it('advertises both kinds at once, and withdraws one', async () => {
    const { service, network } = await createService();
    const withdrawn = collect(service, 'service:withdrawn');
    await service.advertiseService(executor());
    await service.advertiseService(validator);
    await settled();
    await service.withdrawService('executor');
    expect(network.provided).toEqual(new Set(keysOf(validator, alice)));
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
    expect(network.provided).toEqual(new Set(keysOf(executor(['b']), alice)));
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
    expect(network.provided).toEqual(new Set(keysOf(validator, alice)));
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
