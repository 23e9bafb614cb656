import { describe, expect, it } from 'vitest';
import type { FoundPeer } from '../src/types.ts';
import { createService, never, peerIdOf, peerIds } from './fakes.ts';
import { settled } from './machines.ts';
import { errorOf } from './observing.ts';

const { alice, bob, carol } = peerIds;
const key = 'lloom/topic/demo';

type Service = Awaited<ReturnType<typeof createService>>['service'];

const begin = async (service: Service): Promise<void> => {
  await service.start();
  service.afterStart();
  await settled();
};

const idsOf = async (peers: AsyncIterable<FoundPeer>): Promise<string[]> => {
  const ids: string[] = [];
  for await (const { peerId } of peers) ids.push(peerId);
  return ids;
};

const statesOf = (service: Service) => service.snapshot().rendezvous;

describe('a name that is joined', () => {
  it('is in the DHT from then on, without a signer, and not after it was left', async () => {
    const { service, network, clock } = await createService({ signer: undefined as never });
    const before = clock.pending;
    const leave = service.joinRendezvous('demo');
    await settled();
    expect([...network.provided]).toEqual([key]);
    expect(statesOf(service)).toEqual([{ name: 'demo', state: 'published' }]);
    leave();
    await settled();
    expect(network.provided.size).toBe(0);
    expect(statesOf(service)).toEqual([]);
    expect(clock.pending).toBe(before);
    leave();
    service.joinRendezvous('demo');
    leave();
    await settled();
    expect([...network.provided]).toEqual([key]);
    await service.stop();
  });

  it('is renewed as offers are, sooner where few have taken it', async () => {
    const { service, network, clock } = await createService();
    let count = 0;
    network.onProvide = () => Promise.resolve((count += 1) > 0 ? 20 : 0);
    service.joinRendezvous('demo');
    await clock.advance(1_000_000);
    expect(count).toBe(1);
    await clock.advance(320_000);
    expect(count).toBe(2);
    network.onProvide = () => Promise.resolve((count += 1) > 0 ? 7 : 0);
    await clock.advance(1_320_000);
    count = 0;
    await clock.advance(330_000);
    expect(count).toBe(1);
    await service.stop();
  });

  it('is tried again while it fails, later each time, and at once with the first peer', async () => {
    const { service, network, clock } = await createService();
    const triedAt: number[] = [];
    const startedAt = clock.elapsed();
    network.onProvide = () => {
      triedAt.push(clock.elapsed() - startedAt);
      return triedAt.length === 1 ? Promise.reject(new Error('broken')) : Promise.resolve(0);
    };
    service.joinRendezvous('demo');
    await clock.advance(3_300);
    expect(triedAt).toHaveLength(3);
    expect(triedAt[2]! - triedAt[1]!).toBeGreaterThan(triedAt[1]!);
    expect(statesOf(service)).toEqual([{ name: 'demo', state: 'backingOff' }]);
    network.onProvide = () => Promise.resolve(1);
    network.watcher?.onPeer({ peerId: bob, addresses: [] });
    await settled();
    expect(statesOf(service)).toEqual([{ name: 'demo', state: 'published' }]);
    await service.stop();
  });

  it('waits for an address, and is published again when addresses change', async () => {
    const { service, network } = await createService();
    let count = 0;
    network.onProvide = () => Promise.resolve((count += 1));
    const listen = async (...addresses: string[]): Promise<void> => {
      network.listening = addresses;
      network.watcher?.onAddresses();
      await settled();
    };
    await listen();
    service.joinRendezvous('demo');
    await settled();
    expect(count).toBe(0);
    await listen('/ip4/127.0.0.1/tcp/4002');
    expect(count).toBe(1);
    await listen('/ip4/127.0.0.1/tcp/4003');
    expect(count).toBe(2);
    await service.stop();
  });

  it('is one entry, however often it is joined, and ends with the last', async () => {
    const { service, network } = await createService();
    let count = 0;
    network.onProvide = () => Promise.resolve((count += 1));
    const first = service.joinRendezvous('demo');
    const second = service.joinRendezvous('demo');
    await settled();
    const third = service.joinRendezvous('demo');
    await settled();
    expect(count).toBe(1);
    first();
    first();
    third();
    await settled();
    expect([...network.provided]).toEqual([key]);
    expect(statesOf(service)).toHaveLength(1);
    second();
    await settled();
    expect(network.provided.size).toBe(0);
    await service.stop();
  });

  it('is published again when it is joined while it is being left', async () => {
    const { service, network } = await createService();
    const leave = service.joinRendezvous('demo');
    await settled();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    network.onRetire = () => held;
    leave();
    service.joinRendezvous('demo');
    expect(statesOf(service)).toEqual([{ name: 'demo', state: 'withdrawing' }]);
    release();
    await settled();
    expect([...network.provided]).toEqual([key]);
    expect(statesOf(service)).toEqual([{ name: 'demo', state: 'published' }]);
    await service.stop();
  });

  it('does not stand in the way of an offer', async () => {
    const { service, network } = await createService();
    service.joinRendezvous('demo');
    await service.advertiseService({ kind: 'validator', stake: '1' });
    await settled();
    await service.withdrawService('validator');
    expect([...network.provided]).toEqual([key]);
    await service.stop();
  });
});

describe('a restart of the service', () => {
  it('begins with the names that were joined, before the start too', async () => {
    const { service, network, clock } = await createService({ started: false });
    service.joinRendezvous('demo');
    await service.start();
    service.joinRendezvous('other');
    await settled();
    expect(network.provided.size).toBe(0);
    expect(statesOf(service).map(({ state }) => state)).toEqual(['stopped', 'stopped']);
    service.afterStart();
    await settled();
    expect(network.provided.size).toBe(2);
    await service.stop();
    expect(clock.pending).toBe(0);
    expect(statesOf(service).map(({ state }) => state)).toEqual(['stopped', 'stopped']);
    network.provided.clear();
    await begin(service);
    expect([...network.provided]).toEqual([key, 'lloom/topic/other']);
    await service.stop();
  });

  it('takes back what was left meanwhile, also behind a start that came to nothing', async () => {
    const { service, network, clock } = await createService();
    const leave = service.joinRendezvous('demo');
    service.joinRendezvous('other');
    await settled();
    await service.stop();
    leave();
    await service.start();
    await service.stop();
    let count = 0;
    network.onProvide = () => Promise.resolve((count += 1));
    await begin(service);
    expect([...network.provided]).toEqual(['lloom/topic/other']);
    expect([count, statesOf(service)]).toEqual([1, [{ name: 'other', state: 'published' }]]);
    await service.stop();
    expect(clock.pending).toBe(0);
  });

  it('leaves nothing behind, whatever is under way', async () => {
    const { service, network, clock } = await createService();
    const left = service.joinRendezvous('left');
    await settled();
    network.onRetire = () => new Promise(() => {});
    left();
    network.onProvide = (_, signal) => never(signal);
    network.onFind = (_, signal) => ({ [Symbol.asyncIterator]: () => ({ next: () => never(signal) }) });
    for (let at = 0; at < 10; at += 1) service.joinRendezvous(`${at}`);
    const searched = idsOf(service.rendezvousPeers('demo'));
    await settled();
    await service.stop();
    expect(await searched).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('bounds', () => {
  it('allow 256 names, of which four are published at a time', async () => {
    const { service, network } = await createService();
    let [open, most] = [0, 0];
    network.onProvide = async () => {
      most = Math.max(most, (open += 1));
      await settled();
      open -= 1;
      return 1;
    };
    const leaves = Array.from({ length: 256 }, (_, at) => service.joinRendezvous(`${at}`));
    expect(() => service.joinRendezvous('one more')).toThrow(
      expect.objectContaining({ code: 'TOO_MANY_NAMES', data: { name: 'one more', limit: 256 } }),
    );
    // One that is joined already is no more than before.
    service.joinRendezvous('7');
    while (network.provided.size < 256) await settled();
    expect(most).toBe(4);
    leaves[0]!();
    service.joinRendezvous('one more');
    expect(statesOf(service)).toHaveLength(256);
    await service.stop();
  });

  const wrong: unknown[] = ['', 'x'.repeat(257), '\ud800', undefined, null, 7, {}, ['demo'], Symbol('demo')];
  it.each(wrong)('refuse a name that is none: %#', async (name) => {
    const { service, clock } = await createService();
    const refused = expect.objectContaining({ name: 'DiscoveryError', code: 'INVALID_NAME' });
    expect(() => service.joinRendezvous(name as string)).toThrow(refused);
    expect(() => service.rendezvousPeers(name as string)).toThrow(refused);
    expect(statesOf(service)).toEqual([]);
    await service.stop();
    expect(clock.pending).toBe(0);
  });

  it('take names as they are, up to 256 characters', async () => {
    const { service, network } = await createService();
    const names = ['x'.repeat(256), ' ', 'Demo', 'demo', '__proto__', '\u{1f600}'];
    for (const name of names) service.joinRendezvous(name);
    await settled();
    await settled();
    expect([...network.provided]).toEqual(names.map((name) => `lloom/topic/${name}`));
    await service.stop();
  });

  it('refuse a config that cannot be used', async () => {
    const { service } = await createService();
    const wait = { signal: new AbortController() } as never;
    expect(await errorOf((async () => service.rendezvousPeers('demo', wait))())).toMatchObject({
      name: 'ConfigError',
    });
    await service.stop();
  });
});

describe('looking for who has joined', () => {
  it('gives whom the DHT names for the key, each once, and never this node', async () => {
    const { service, network, clock } = await createService();
    const keys: string[] = [];
    network.names(bob, alice, bob, carol);
    const { onFind } = network;
    network.onFind = (asked, signal) => {
      keys.push(asked);
      return onFind(asked, signal);
    };
    const found: FoundPeer[] = [];
    for await (const peer of service.rendezvousPeers('demo')) found.push(peer);
    const addresses = ['/ip4/127.0.0.1/tcp/5001'];
    expect(found).toEqual([
      { peerId: bob, addresses },
      { peerId: carol, addresses },
    ]);
    expect(keys).toEqual([key]);
    await service.stop();
    expect(clock.pending).toBe(0);
  });

  it('ends at 64 peers, and ends the query', async () => {
    const { service, network } = await createService();
    let [given, isEnded] = [0, false];
    network.onFind = async function* () {
      try {
        for (;;) yield { peerId: peerIdOf((given += 1)), addresses: [] };
      } finally {
        isEnded = true;
      }
    };
    expect(await idsOf(service.rendezvousPeers('demo'))).toHaveLength(64);
    expect([given, isEnded]).toEqual([64, true]);
    for await (const _ of service.rendezvousPeers('demo')) break;
    expect(given).toBe(65);
    await service.stop();
  });

  it('ends with its time, although the DHT does not', async () => {
    const { service, network, clock } = await createService({ queryTimeoutMs: 1_000 });
    network.onFind = async function* () {
      yield { peerId: bob, addresses: [] };
      await new Promise(() => {});
    };
    const found = idsOf(service.rendezvousPeers('demo'));
    await clock.advance(1_000);
    expect(await found).toEqual([bob]);
    await service.stop();
    expect([network.errors, clock.pending]).toEqual([[], 0]);
  });

  it('ends with its signal', async () => {
    const { service, network } = await createService();
    network.onFind = async function* (_, signal) {
      yield { peerId: bob, addresses: [] };
      await never(signal);
    };
    const controller = new AbortController();
    const found = idsOf(service.rendezvousPeers('demo', { signal: controller.signal }));
    await settled();
    controller.abort();
    expect(await found).toEqual([bob]);
    expect(await idsOf(service.rendezvousPeers('demo', { signal: controller.signal }))).toEqual([]);
    await service.stop();
    expect(network.errors).toEqual([]);
  });

  it('gives nobody, and no error, without a DHT and while the service is not started', async () => {
    const { service, network } = await createService();
    network.loseDht();
    expect(await idsOf(service.rendezvousPeers('demo'))).toEqual([]);
    expect(network.errors).toEqual([]);
    network.names(bob);
    await service.stop();
    expect(await idsOf(service.rendezvousPeers('demo'))).toEqual([]);
    await begin(service);
    expect(await idsOf(service.rendezvousPeers('demo'))).toEqual([bob]);
    await service.stop();
  });

  it('logs when the DHT fails, and gives whom it had named', async () => {
    const { service, network } = await createService();
    network.onFind = async function* () {
      yield { peerId: bob, addresses: [] };
      throw new Error('broken');
    };
    expect(await idsOf(service.rendezvousPeers('demo'))).toEqual([bob]);
    expect(network.errors).toHaveLength(1);
    network.onFind = () => {
      throw new Error('broken at once');
    };
    expect(await idsOf(service.rendezvousPeers('demo'))).toEqual([]);
    expect(network.errors).toHaveLength(2);
    await service.stop();
  });
});
