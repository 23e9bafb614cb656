import type { Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { encodeDescriptorRequest, type ServiceType } from '@lloom/codec';
import { Identity } from '@lloom/identity';
import type { SimHost } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { DiscoveryError } from '../src/index.ts';
import { descriptorFrame, tampered } from './fakes.ts';
import {
  advertiseAll,
  errorOf,
  identityOf,
  offer,
  peerIdOf,
  provideAs,
  search,
  serviceOf,
  star,
  timed,
  type SimNetwork,
} from './simNodes.ts';

const protocol = '/lloom/descriptor/1.0.0';
const key = 'lloom/executor';
const link = { delayMs: 50 };

/** Answers a descriptor request `afterMs` later with each of these frames. */
const answering =
  (network: SimNetwork, frames: () => Promise<readonly Uint8Array[]>, afterMs = 0) =>
  async (stream: Stream): Promise<void> => {
    const messages = lpStream(stream);
    await messages.read();
    const all = await frames();
    if (afterMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      network.clock.setTimeout(() => resolve(), afterMs);
      await promise;
    }
    if (stream.status !== 'open') return;
    for (const frame of all) await messages.write(frame);
    await stream.close();
  };

/** Nodes of which those named `x…` have no discovery service, and who each of them is. */
function withStrangers() {
  const create = star((name) => (name.startsWith('x') ? 'stranger' : {}));
  const identities = new Map<string, Identity>();
  const createNode = (host: SimHost) => {
    identities.set(host.name, identityOf(host));
    return create(host);
  };
  return { createNode, identities };
}

/** A descriptor that a peer signs of itself, now. */
const signedBy = (own: Identity, wrong: Parameters<typeof descriptorFrame>[2] = {}): Promise<Uint8Array> =>
  descriptorFrame(own.peerId, [offer], { signer: own.signer(), ...wrong });

describe('a peer that answers badly', () => {
  const nodes = ['hub', 'x1', 'e1', 'c1'];

  /** A network in which a stranger, whom the DHT names, answers in its way, beside one honest executor. */
  async function meet(
    createNetwork: NetworkFixture['createNetwork'],
    answer: (network: SimNetwork, own: Identity) => (stream: Stream) => Promise<void>,
  ): Promise<SimNetwork> {
    const { createNode, identities } = withStrangers();
    const network = await createNetwork({ nodes, link, createNode });
    await network.node('x1').handle(protocol, answer(network, identities.get('x1')!));
    await provideAs(network, 'x1', key);
    await advertiseAll(network, ['e1']);
    return network;
  }

  test('never, costs whoever asks 5 s of waiting, and whoever searches nothing', async ({
    createNetwork,
  }) => {
    const network = await meet(createNetwork, () => () => new Promise(() => {}));
    const service = serviceOf(network, 'c1');
    const asked = await timed(network, () => errorOf(service.describeService(peerIdOf(network, 'x1'))));
    expect([asked.tookMs, asked.result]).toMatchObject([
      5_000,
      { code: 'DESCRIPTOR_UNREACHABLE', data: { reason: 'no answer within 5000 ms' } },
    ]);
    const found = await timed(network, () => service.discoverExecutors());
    expect(found.result.map(({ peerId }) => peerId)).toEqual([peerIdOf(network, 'e1')]);
    expect(found.tookMs).toBeLessThan(1_000);
    const all = await timed(network, () => search(network, 'c1'));
    expect([all.tookMs >= 4_000, all.tookMs < 6_000, all.result]).toEqual([true, true, ['e1']]);
  });

  test('too late, is not heard, and may answer in time the next time', async ({ createNetwork }) => {
    let afterMs = 4_910;
    const network = await meet(
      createNetwork,
      (net, own) => (stream) => answering(net, async () => [await signedBy(own)], afterMs)(stream),
    );
    const service = serviceOf(network, 'c1');
    const peerId = peerIdOf(network, 'x1');
    const late = await timed(network, () => errorOf(service.describeService(peerId)));
    expect([late.tookMs, late.result]).toMatchObject([5_000, { code: 'DESCRIPTOR_UNREACHABLE' }]);
    await network.runFor(60_000);
    expect(service.servicesOf(peerId)).toEqual([]);
    // With the round trip it is there a moment before the time is over.
    afterMs = 4_850;
    const inTime = await timed(network, () => service.describeService(peerId));
    expect([inTime.tookMs < 5_000, inTime.result?.services]).toEqual([true, [offer]]);
    expect(service.servicesOf(peerId)).toEqual([offer]);
  });

  test('twice, counts once, with what it said first', async ({ createNetwork }) => {
    const other: ServiceType = { kind: 'executor', models: ['demo-small'], capacity: 99 };
    const network = await meet(createNetwork, (net, own) =>
      answering(net, async () => [
        await signedBy(own),
        await descriptorFrame(own.peerId, [other], { signer: own.signer() }),
      ]),
    );
    expect((await timed(network, () => search(network, 'c1'))).result).toEqual(['e1', 'x1']);
    expect(serviceOf(network, 'c1').servicesOf(peerIdOf(network, 'x1'))).toEqual([offer]);
    await network.runFor(50_000);
    expect(serviceOf(network, 'c1').servicesOf(peerIdOf(network, 'x1'))).toEqual([offer]);
  });

  test('is met in the same way every time', async ({ createNetwork }) => {
    const run = async (): Promise<string> => {
      const network = await meet(createNetwork, () => () => new Promise(() => {}));
      await network.run(() => search(network, 'c1'));
      await network.stop();
      return network.trace.hash();
    };
    expect(await run()).toBe(await run());
  });

  test('with a reset, is told at once', async ({ createNetwork }) => {
    const network = await meet(createNetwork, () => async (stream) => stream.abort(new Error('no')));
    const { result, tookMs } = await timed(network, () => search(network, 'c1'));
    expect([result, tookMs < 2_000]).toEqual([['e1'], true]);
  });

  test('and then dies, does not keep a search from ending', async ({ createNetwork }) => {
    const network = await meet(createNetwork, () => () => new Promise(() => {}));
    const found = search(network, 'c1');
    network.at(network.clock.elapsed() + 1_000, () => network.crash('x1', { isSilent: true }));
    expect((await timed(network, () => found)).result).toEqual(['e1']);
  });
});

describe('peers that lie', () => {
  const other = Identity.generate();
  const past = { now: () => 1_000_000, elapsed: () => 0, setTimeout: () => 0, clearTimeout: () => {} };
  const lies: [what: string, frame: (own: Identity) => Promise<Uint8Array>, reason: string][] = [
    ['signed by another', (own) => signedBy(own, { signer: other.signer() }), 'WRONG_SIGNER'],
    ['about another', (own) => signedBy(own, { descriptor: { peerId: other.peerId } }), 'WRONG_PEER'],
    ['stale', (own) => signedBy(own, { signer: own.signer({}, { clock: past }) }), 'EXPIRED'],
    ['forged', async (own) => tampered(await signedBy(own)), 'BAD_SIGNATURE'],
    ['addressed anew', (own) => signedBy(own, { envelope: { to: `0x${'1'.repeat(40)}` } }), 'BAD_SIGNATURE'],
    ['garbled', async () => new Uint8Array(100).fill(255), 'MALFORMED'],
    ['oversized', async () => new Uint8Array(70_000), 'UNREACHABLE'],
  ];

  test('are refused, whatever is wrong with their descriptor', async ({ createNetwork }) => {
    const { createNode, identities } = withStrangers();
    const liars = lies.map((_, index) => `x${index}`);
    const network = await createNetwork({
      nodes: ['hub', ...liars, 'c1'],
      link,
      fidelity: 'full',
      createNode,
    });
    const wanted = new Map<string, string>();
    for (const [index, [, frame, reason]] of lies.entries()) {
      const own = identities.get(`x${index}`)!;
      await network.node(`x${index}`).handle(
        protocol,
        answering(network, async () => [await frame(own)]),
      );
      await provideAs(network, `x${index}`, 'lloom/model/demo-small');
      wanted.set(own.peerId, reason);
    }
    const service = serviceOf(network, 'c1');
    const { result } = await timed(network, () => errorOf(service.requireModelProviders('demo-small')));
    const { asked, rejected } = (result as DiscoveryError<'NO_PROVIDERS'>).data;
    expect(asked).toBe(lies.length);
    expect(new Map(rejected.map(({ peerId, reason }) => [peerId, reason]))).toEqual(wanted);
    for (const [peerId, reason] of wanted) {
      const code = reason === 'UNREACHABLE' ? 'DESCRIPTOR_UNREACHABLE' : 'DESCRIPTOR_REFUSED';
      const error = await network.run(errorOf(service.describeService(peerId)));
      expect(error).toMatchObject({ code });
    }
  });
});

describe('whoever asks badly', () => {
  for (const fidelity of ['wire', 'full'] as const) {
    test(`is cut off after 5 s, and harms nobody, over ${fidelity}`, async ({ createNetwork }) => {
      const { createNode } = withStrangers();
      const network = await createNetwork({ nodes: ['e1', 'x1', 'c1'], link, fidelity, createNode });
      await network.run(serviceOf(network, 'e1').advertiseService(offer));
      const [node, stranger] = [network.node('e1'), network.node('x1')];
      await network.run(async () => stranger.dial(node.getMultiaddrs()));
      const open = async (): Promise<Stream> => stranger.dialProtocol(node.peerId, protocol);
      const isOver = (stream: Stream) => (): boolean =>
        stream.status !== 'open' && stream.status !== 'closing';

      // Says nothing; its stream is there after one delay, and its end after another one.
      const silent = await network.run(open);
      const startedAt = network.clock.elapsed();
      await network.runUntil(isOver(silent));
      expect(silent.status).toBe('reset');
      expect(network.clock.elapsed() - startedAt).toBeGreaterThan(4_900);
      expect(network.clock.elapsed() - startedAt).toBeLessThan(5_200);

      // Says too much; says what is no request; says half of it.
      for (const bytes of [new Uint8Array(10_000), new Uint8Array([2, 8, 9]), new Uint8Array([200])]) {
        const stream = await network.run(open);
        stream.send(bytes);
        await network.run(async () => stream.close().catch(() => {}));
        await network.runFor(6_000);
        expect([bytes.length, stream.status]).toEqual([bytes.length, 'reset']);
      }

      // Never ends its own side, although it has been answered.
      const greedy = await network.run(open);
      const frames = lpStream(greedy);
      await network.run(async () => frames.write(encodeDescriptorRequest()));
      expect((await network.run(async () => frames.read())).byteLength).toBeGreaterThan(100);
      await network.runFor(5_200);
      expect(greedy.status).toBe('reset');

      // Opens more streams than one connection may have: others are still served.
      const many = await network.run(
        Promise.all(Array.from({ length: 20 }, () => open().catch(() => undefined))),
      );
      const descriptor = await network.run(serviceOf(network, 'c1').describeService(node.peerId));
      expect(descriptor?.services).toEqual([offer]);
      await network.runFor(6_000);
      expect(many.filter((stream) => stream !== undefined && !isOver(stream)())).toEqual([]);
    });
  }
});

describe('stopping', () => {
  const validator: ServiceType = { kind: 'validator', stake: '1' };

  test('ends everything that is under way, and everything works after the next start', async ({
    createNetwork,
  }) => {
    const { createNode } = withStrangers();
    const network = await createNetwork({ nodes: ['hub', 'x1', 'e1', 'c1'], link, createNode });
    await network.node('x1').handle(protocol, () => new Promise(() => {}));
    await provideAs(network, 'x1', 'lloom/model/demo-small');
    const service = serviceOf(network, 'e1');
    await network.run(service.advertiseService(validator));
    await network.runFor(5_000);
    const ends = Promise.all([
      errorOf(service.findModelProviders('demo-small')),
      errorOf(service.refreshServices()),
    ]);
    // Both wait for the silent one.
    await network.runFor(2_000);
    const stopped = await timed(network, async () => network.node('e1').stop());
    expect(stopped.tookMs).toBeLessThan(1_000);
    for (const error of await ends) expect(error).toMatchObject({ code: 'STOPPED' });
    expect(service.snapshot()).toMatchObject({ running: false, bootstrap: { state: 'stopped' } });

    await network.run(async () => network.node('e1').start());
    await network.run(service.updateServiceInfo({ ...validator, stake: '2' }));
    await network.runFor(5_000);
    const found = await network.run(serviceOf(network, 'c1').discoverValidators());
    expect(found.map(({ info }) => info)).toEqual([{ ...validator, stake: '2' }]);
  });
});
