import { describe, expect, it } from 'vitest';
import { createService, descriptorFrame, executor, never, nobody, peerIds, validator } from './fakes.ts';
import { collect, errorOf } from './observing.ts';

const { bob, carol } = peerIds;
const model = 'demo-small';

type Made = Awaited<ReturnType<typeof createService>>;

/** A service that looked for a model a moment ago, and found Bob and Carol. */
async function createWarm() {
  const made = await createService();
  const { service, network, clock } = made;
  const keys: string[] = [];
  const named = (key: string) => {
    keys.push(key);
    return (async function* () {
      for (const peerId of [bob, carol]) yield { peerId, addresses: [] };
    })();
  };
  network.onFind = named;
  network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
  await service.findModelProviders(model);
  /** Whom a list names, and how often anybody was asked for it: peers, and the DHT. */
  const list = async (config?: Parameters<typeof service.findModelProviders>[1]) => {
    [network.asked.length, keys.length] = [0, 0];
    const found = await service.findModelProviders(model, config);
    return { found: found.map(({ peerId }) => peerId), asked: network.asked.length, keys: keys.length };
  };
  return { ...made, list };
}

const announce = async ({ network, clock }: Made, peerId: string, services = [executor()]) =>
  network.handlers.get('announce')!(
    peerId,
    await descriptorFrame(peerId, services, { clock, descriptor: { sequence: 2 } }),
  );

describe('a list that was asked for lately', () => {
  it('is answered without a single question, with when each was heard', async () => {
    const { service, clock, list } = await createWarm();
    const heardAt = clock.now();
    await clock.advance(29_999);
    expect(await list()).toEqual({ found: [bob, carol], asked: 0, keys: 0 });
    const providers = await service.findModelProviders(model);
    expect(providers.map((provider) => provider.heardAt)).toEqual([heardAt, heardAt]);
    await service.stop();
  });

  it('is asked for again after 30 s', async () => {
    const { service, clock, list } = await createWarm();
    await clock.advance(30_000);
    expect(await list()).toEqual({ found: [bob, carol], asked: 2, keys: 1 });
    await service.stop();
  });

  it('is asked for again when nobody said so lately enough for the caller', async () => {
    const { service, clock, list } = await createWarm();
    await clock.advance(10_000);
    expect(await list({ maxAgeMs: 10_000 })).toEqual({ found: [bob, carol], asked: 2, keys: 1 });
    expect(await list({ maxAgeMs: 10_000 })).toEqual({ found: [bob, carol], asked: 0, keys: 0 });
    await service.stop();
  });

  it('asks everybody when the caller wants it, and so does every loop', async () => {
    const { service, network, list } = await createWarm();
    expect(await list({ maxAgeMs: 0 })).toEqual({ found: [bob, carol], asked: 2, keys: 1 });
    network.asked.length = 0;
    for await (const _ of service.modelProviders(model));
    expect(network.asked).toEqual([bob, carol]);
    await service.stop();
  });

  it('holds no more than the limit, and needs somebody', async () => {
    const { service, network, list } = await createWarm();
    expect(await list({ limit: 1 })).toEqual({ found: [bob], asked: 0, keys: 0 });
    network.onFind = () => nobody();
    expect(await service.discoverValidators()).toEqual([]);
    let looked = 0;
    network.onFind = () => {
      looked++;
      return nobody();
    };
    await service.discoverValidators();
    expect(looked).toBe(1);
    await service.stop();
  });

  it('is asked for again when the last search ended before everybody could answer', async () => {
    const { service, network, list, clock } = await createWarm();
    await clock.advance(30_000);
    expect((await list({ limit: 1 })).asked).toBeGreaterThan(0);
    expect(await list()).toMatchObject({ keys: 1 });
    await clock.advance(30_000);
    network.onFind = async function* () {
      yield { peerId: bob, addresses: [] };
      throw new Error('the DHT failed');
    };
    expect((await list()).found).toContain(bob);
    expect((await list()).found).toContain(bob);
    network.onFind = async function* () {
      yield { peerId: peerIds.dave, addresses: [] };
    };
    expect((await list()).found).toContain(peerIds.dave);
    await service.stop();
  });

  it('is still cancelled, and ends with the service', async () => {
    const { service } = await createWarm();
    const signal = AbortSignal.abort();
    expect(await errorOf(service.findModelProviders(model, { signal }))).toMatchObject({ code: 'CANCELLED' });
    await service.stop();
    expect(await errorOf(service.findModelProviders(model))).toMatchObject({ code: 'STOPPED' });
  });

  it('tells nobody that something was discovered', async () => {
    const { service, list } = await createWarm();
    const discovered = collect(service, 'service:discovered');
    await list();
    expect(discovered).toEqual([]);
    await service.stop();
  });
});

describe('what peers announce', () => {
  it('keeps a list warm for as long as they do, for questions that are repeated', async () => {
    const made = await createWarm();
    await made.clock.advance(20_000);
    await announce(made, bob);
    await made.clock.advance(9_000);
    expect(await made.list({ maxAgeMs: 29_500 })).toEqual({ found: [carol, bob], asked: 0, keys: 0 });
    await made.clock.advance(1_000);
    // The search was long enough ago for others to have come.
    expect(await made.list()).toMatchObject({ found: [bob, carol], keys: 1 });
    await made.service.stop();
  });

  it('adds those who begin to offer it', async () => {
    const made = await createWarm();
    await announce(made, peerIds.dave);
    expect((await made.list()).found).toEqual([bob, carol, peerIds.dave]);
    await made.service.stop();
  });

  it('takes a withdrawn offer out at once', async () => {
    const made = await createWarm();
    await announce(made, bob, []);
    expect(await made.list()).toEqual({ found: [carol], asked: 0, keys: 0 });
    expect(made.service.servicesOf(bob)).toEqual([]);
    await announce(made, carol, [validator]);
    expect((await made.list()).keys).toBe(1);
    await made.service.stop();
  });

  it('counts before the DHT has named anybody', async () => {
    const { service, network, clock } = await createService();
    network.onFind = (_, signal) => ({ [Symbol.asyncIterator]: () => ({ next: () => never(signal) }) });
    const frame = await descriptorFrame(bob, [executor()], { clock });
    await network.handlers.get('announce')!(bob, frame);
    const found = service.findModelProviders(model, { limit: 1 });
    expect((await found).map(({ peerId }) => peerId)).toEqual([bob]);
    const settling = service.findModelProviders(model);
    await clock.advance(300);
    expect((await settling).map(({ peerId }) => peerId)).toEqual([bob]);
    await service.stop();
  });
});

describe('a peer whose connection is lost', () => {
  it('is asked before it counts, and first', async () => {
    const { service, network, list } = await createWarm();
    network.watcher?.onDisconnect(bob);
    expect(await list()).toEqual({ found: [carol], asked: 0, keys: 0 });
    network.watcher?.onDisconnect(carol);
    const { found, asked } = await list();
    expect([found, asked]).toEqual([[bob, carol], 2]);
    expect(await list()).toEqual({ found: [bob, carol], asked: 0, keys: 0 });
    await service.stop();
  });

  it('does not count when it does not answer either', async () => {
    const { service, network, list } = await createWarm();
    network.connected.delete(bob);
    network.watcher?.onDisconnect(bob);
    network.onDial = (peerId) => (peerId === bob ? Promise.reject(new Error('refused')) : Promise.resolve());
    expect(await list({ maxAgeMs: 0 })).toMatchObject({ found: [carol], asked: 1 });
    expect(service.servicesOf(bob)).toEqual([]);
    await service.stop();
  });

  it('is asked again, and not taken for dead, when it is connected and refuses at once', async () => {
    const { service, network, list, clock } = await createWarm();
    const answer = network.onAsk;
    network.onAsk = (peerId, signal) =>
      peerId === bob ? Promise.reject(new Error('too many streams')) : answer(peerId, signal);
    expect(await list({ maxAgeMs: 0 })).toMatchObject({ found: [carol], asked: 2 });
    expect(service.servicesOf(bob)).toEqual([executor()]);
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    expect((await list()).found).toEqual([carol]);
    expect((await list({ maxAgeMs: 0 })).found).toEqual([carol, bob]);
    expect((await list()).found).toEqual([carol, bob]);
    await service.stop();
  });

  it('counts when it has announced itself while it was asked and did not answer', async () => {
    const made = await createWarm();
    const { service, network, clock } = made;
    network.onAsk = (_, signal) => never(signal);
    const asked = errorOf(service.describeService(bob));
    await clock.advance(4_000);
    await announce(made, bob);
    await clock.advance(1_000);
    expect(await asked).toMatchObject({ code: 'DESCRIPTOR_UNREACHABLE' });
    expect(service.servicesOf(bob)).toEqual([executor()]);
    await service.stop();
  });

  it('has to be asked again after this node was away', async () => {
    const { service, list } = await createWarm();
    await service.stop();
    await service.start();
    service.afterStart();
    const { found, asked } = await list();
    expect([found, asked]).toEqual([[bob, carol], 2]);
    await service.stop();
  });
});

describe('questions to one peer at the same time', () => {
  it('are one', async () => {
    const { service, network, clock } = await createWarm();
    const asked = Promise.withResolvers<Uint8Array>();
    network.onAsk = () => asked.promise;
    network.asked.length = 0;
    const gaveUp = new AbortController();
    const first = errorOf(service.describeService(bob, { signal: gaveUp.signal }));
    const others = Array.from({ length: 20 }, () => service.describeService(bob));
    gaveUp.abort();
    expect(await first).toMatchObject({ code: 'CANCELLED' });
    asked.resolve(await descriptorFrame(bob, [executor(['other'])], { clock, descriptor: { sequence: 2 } }));
    const services = (await Promise.all(others)).map((each) => each?.services);
    expect(services).toEqual(others.map(() => [executor(['other'])]));
    expect(network.asked).toEqual([bob]);
    await service.stop();
  });
});

describe('whom a search asks first', () => {
  /** A service that knows Bob from an announcement; the DHT names Carol, and Bob and Dave after her. */
  async function createSearch() {
    const made = await createService({ concurrency: 1 });
    const { network, clock } = made;
    network.names(carol, bob, peerIds.dave);
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    await announce(made, bob);
    return made;
  }

  it('is who is known to offer it, before those that the DHT names, each once', async () => {
    const { service, network } = await createSearch();
    await service.findModelProviders(model, { maxAgeMs: 0 });
    expect(network.asked).toEqual([bob, carol, peerIds.dave]);
    await service.stop();
  });

  it('is not who did not answer lately: they come last, and first again when they were heard', async () => {
    const made = await createSearch();
    const { service, network } = made;
    const dialled: string[] = [];
    network.onDial = (peerId) => {
      dialled.push(peerId);
      return peerId === carol ? Promise.reject(new Error('refused')) : Promise.resolve();
    };
    await service.findModelProviders(model, { maxAgeMs: 0 });
    dialled.length = 0;
    network.names(carol, 'somebody');
    await service.findModelProviders(model, { maxAgeMs: 0 });
    // Dialled twice: as it was named, then where it is known to be.
    expect(dialled).toEqual([bob, peerIds.dave, 'somebody', carol, carol]);
    network.onDial = () => Promise.resolve();
    network.asked.length = 0;
    await announce(made, carol);
    network.names('another', carol);
    await service.findModelProviders(model, { maxAgeMs: 0 });
    expect(network.asked.slice(-2)).toEqual([carol, 'another']);
    await service.stop();
  });

  it('is, after all that the DHT names, who offered it once', async () => {
    const { service, network, clock } = await createSearch();
    await clock.advance(61_000);
    expect(service.servicesOf(bob)).toEqual([]);
    network.names(carol);
    await service.findModelProviders(model);
    expect(network.asked).toEqual([carol, bob]);
    await service.stop();
  });
});
