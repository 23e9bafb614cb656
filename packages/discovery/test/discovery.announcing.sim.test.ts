import type { Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { Identity } from '@lloom/identity';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { descriptorFrame, tampered } from './fakes.ts';
import { identityOf, offer, peerIdOf, planet, serviceOf, star, timed, type SimNetwork } from './simNodes.ts';

const protocol = '/lloom/announce/1.0.0';
const link = { delayMs: 50 };

/** Connects two nodes, and waits until they know what the other one speaks. */
async function connect(network: SimNetwork, from: string, to: string): Promise<void> {
  await network.run(async () => network.node(from).dial(network.node(to).getMultiaddrs()));
  await network.runFor(1_000);
}

describe('a connected peer', () => {
  const nodes = ['hub', 'e1', 'c1'];

  test('knows an offer, a change and a withdrawal within half a second, and asks nobody', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes, link, createNode: star() });
    await connect(network, 'c1', 'e1');
    const [executor, client] = [serviceOf(network, 'e1'), serviceOf(network, 'c1')];
    const peerId = peerIdOf(network, 'e1');
    await network.run(executor.advertiseService(offer));
    await network.runFor(500);
    expect(client.servicesOf(peerId)).toEqual([offer]);
    await network.run(executor.updateServiceInfo({ ...offer, capacity: 9 } as typeof offer));
    await network.runFor(500);
    expect(client.servicesOf(peerId)).toMatchObject([{ capacity: 9 }]);
    expect(await network.run(client.discoverExecutors())).toHaveLength(1);
    const withdrawn = await timed(network, () => executor.withdrawService('executor'));
    expect(withdrawn.tookMs).toBeLessThan(500);
    const found = await timed(network, () => client.findModelProviders('demo-small'));
    expect([client.servicesOf(peerId), found.result]).toEqual([[], []]);
  });

  test('knows what was offered before it came, as soon as both know each other', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes, link, createNode: star() });
    await network.run(serviceOf(network, 'e1').advertiseService(offer));
    await network.runFor(10_000);
    await connect(network, 'c1', 'e1');
    expect(serviceOf(network, 'c1').servicesOf(peerIdOf(network, 'e1'))).toEqual([offer]);
  });

  test('is told within each interval, over a slow and lossy link, and the same way twice', async ({
    createNetwork,
  }) => {
    const hashes: string[] = [];
    for (let run = 0; run < 2; run += 1) {
      const network = await createNetwork({ nodes, link: planet, seed: 3, createNode: star() });
      await connect(network, 'c1', 'e1');
      await network.run(serviceOf(network, 'e1').advertiseService(offer));
      await network.runFor(1_000);
      for (let turn = 0; turn < 20; turn += 1) {
        await network.runFor(30_000);
        const { descriptors } = serviceOf(network, 'c1').snapshot();
        expect({ turn, live: descriptors.live }).toEqual({ turn, live: 1 });
      }
      expect(serviceOf(network, 'c1').snapshot().descriptors.accepted).toBeGreaterThan(20);
      await network.stop();
      hashes.push(network.trace.hash());
    }
    expect(hashes[1]).toBe(hashes[0]);
  });
});

describe('whoever announces badly', () => {
  const other = Identity.generate();

  for (const fidelity of ['wire', 'full'] as const) {
    test(`is not believed, and harms nobody, over ${fidelity}`, async ({ createNetwork }) => {
      const identities = new Map<string, Identity>();
      const create = star((name) => (name === 'x1' ? 'stranger' : {}));
      const network = await createNetwork({
        nodes: ['e1', 'x1', 'c1'],
        link,
        fidelity,
        createNode: (host) => {
          identities.set(host.name, identityOf(host));
          return create(host);
        },
      });
      const own = identities.get('x1')!;
      const [node, stranger, service] = [network.node('e1'), network.node('x1'), serviceOf(network, 'e1')];
      await connect(network, 'x1', 'e1');
      const clock = { now: () => network.clock.now() };
      const sign = (by: Identity, peerId = own.peerId): Promise<Uint8Array> =>
        descriptorFrame(peerId, [offer], { signer: by.signer({}, { clock: network.clock }), clock });
      const open = async (): Promise<Stream> => stranger.dialProtocol(node.peerId, protocol);
      /** What a frame is answered with; `undefined` when the stream is reset. */
      const announce = async (frame: Uint8Array): Promise<number | undefined> => {
        const stream = await open();
        const frames = lpStream(stream, { maxDataLength: 100_000 });
        try {
          await frames.write(frame);
          return (await frames.read()).byteLength;
        } catch {
          return undefined;
        }
      };

      const lies = [
        new Uint8Array(100).fill(255),
        new Uint8Array(70_000),
        await sign(other),
        await sign(other, other.peerId),
        tampered(await sign(own)),
      ];
      for (const [index, lie] of lies.entries())
        expect([index, await network.run(announce(lie))]).toEqual([index, undefined]);
      expect(service.snapshot().descriptors).toMatchObject({
        kept: 0,
        dropped: { MALFORMED: 1, FORGED: 1, FOREIGN: 2 },
      });

      // The truth is answered with nothing, and only so often.
      const truth = await sign(own);
      let believed = 0;
      for (let times = 0; times < 40; times += 1)
        if ((await network.run(announce(truth))) === 0) believed += 1;
      expect(believed).toBeGreaterThan(5);
      expect(believed).toBeLessThan(40);
      expect(service.servicesOf(own.peerId)).toEqual([offer]);

      // Streams on which nothing is said are cut off, and others are heard meanwhile.
      const silent = await network.run(
        Promise.all(Array.from({ length: 20 }, () => open().catch(() => undefined))),
      );
      await network.run(serviceOf(network, 'c1').advertiseService(offer));
      await connect(network, 'c1', 'e1');
      expect(service.servicesOf(peerIdOf(network, 'c1'))).toEqual([offer]);
      await network.runFor(6_000);
      const isOver = ({ status }: Stream): boolean => status !== 'open' && status !== 'closing';
      expect(silent.filter((stream) => stream !== undefined && !isOver(stream))).toEqual([]);
    });
  }
});
