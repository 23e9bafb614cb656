import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { DiscoveryEvents } from '../src/index.ts';
import {
  advertiseAll,
  findAll,
  offer,
  peerIdOf,
  planet,
  serviceOf,
  star,
  type SimNetwork,
} from './simNodes.ts';

describe('a network that falls in two', () => {
  const left = ['hub', 'e1', 'c1'];
  const right = ['e2', 'e3', 'c2'];

  test('goes on in both halves, and is one again seconds after they meet', async ({ createNetwork }) => {
    const hashes: string[] = [];
    for (const seed of [1, 2, 1]) {
      const network = await createNetwork({
        nodes: [...left, ...right],
        link: planet,
        seed,
        createNode: star(),
      });
      await advertiseAll(network, ['e1', 'e2']);
      await network.runFor(20_000);
      const whole = [await findAll(network, 'c1'), await findAll(network, 'c2')];
      expect({ seed, whole }).toEqual({
        seed,
        whole: [
          ['e1', 'e2'],
          ['e1', 'e2'],
        ],
      });

      network.partition(left, right);
      await network.runFor(60_000);
      // Somebody whom the other half has never heard of, in a half without a bootstrap peer.
      await advertiseAll(network, ['e3']);
      await network.runFor(60_000);
      const halves = [await findAll(network, 'c1'), await findAll(network, 'c2')];
      expect({ seed, halves }).toEqual({ seed, halves: [['e1'], ['e2', 'e3']] });

      network.heal();
      await network.runFor(2_000);
      const healed = [await findAll(network, 'c1'), await findAll(network, 'c2')];
      expect({ seed, healed }).toEqual({
        seed,
        healed: [
          ['e1', 'e2', 'e3'],
          ['e1', 'e2', 'e3'],
        ],
      });
      await network.stop();
      hashes.push(network.trace.hash());
    }
    // And the same seed is the same story.
    expect(hashes[2]).toBe(hashes[0]);
  });
});

describe('joining', () => {
  /** What a node tells of its joining, and when. */
  type Told = { readonly atMs: number } & DiscoveryEvents['bootstrap:retrying'];

  function listen(network: SimNetwork, name: string): Told[] {
    const told: Told[] = [];
    serviceOf(network, name).addEventListener('bootstrap:retrying', ({ detail }) => {
      told.push({ ...detail, atMs: network.clock.elapsed() });
    });
    return told;
  }

  /** Within a tenth of what is planned, and never beyond the longest wait. */
  const plannedMs = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];

  for (const isSilent of [false, true]) {
    const what = isSilent ? 'whose machine is off' : 'that does not run';
    // A refusal takes one round trip; libp2p gives up on a silent address after 6 s.
    const dialMs = isSilent ? 6_000 : 100;

    test(`waits for a bootstrap peer ${what}, longer each time, and then publishes`, async ({
      createNetwork,
    }) => {
      const network = await createNetwork({
        nodes: ['hub', 'e1', 'c1'],
        link: { delayMs: 50 },
        createNode: star(),
      });
      network.crash('e1');
      network.crash('c1');
      network.crash('hub', { isSilent });
      await network.restart('e1');
      const startedAtMs = network.clock.elapsed();
      const told = listen(network, 'e1');
      await network.run(serviceOf(network, 'e1').advertiseService(offer));
      await network.runUntil(() => told.length === plannedMs.length, { timeoutMs: 400_000 });
      let expectedAtMs = startedAtMs;
      for (const [index, { atMs, delayMs, error }] of told.entries()) {
        expectedAtMs += dialMs;
        expect([index, Math.round(atMs)]).toEqual([index, Math.round(expectedAtMs)]);
        expect([
          index,
          Math.abs(delayMs - plannedMs[index]!) <= 0.1 * plannedMs[index]!,
          delayMs <= 30_000,
        ]).toEqual([index, true, true]);
        const [failure] = error.data.failures;
        expect(failure?.reason).toMatch(isSilent ? /no answer/ : /ECONNREFUSED/);
        expectedAtMs += delayMs;
      }

      await network.restart('hub', { datastore: 'empty' });
      const backAtMs = network.clock.elapsed();
      const advertised = new Promise<void>((resolve) => {
        serviceOf(network, 'e1').addEventListener('service:advertised', () => resolve());
      });
      await network.run(advertised);
      // The next dial comes within 30 s.
      expect(network.clock.elapsed() - backAtMs).toBeLessThan(32_000 + dialMs);
      await network.restart('c1');
      await network.runFor(2_000);
      expect(await findAll(network, 'c1')).toEqual(['e1']);
    });
  }

  test('happens again when the bootstrap peer is restarted, with or without its memory', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: ['hub', 'e1', 'c1'], link: planet, createNode: star() });
    await network.run(serviceOf(network, 'hub').advertiseService({ kind: 'validator', stake: '1' }));
    await advertiseAll(network, ['e1']);
    for (const datastore of ['kept', 'empty'] as const) {
      network.crash('hub');
      await network.runFor(60_000);
      // Those who know each other go on.
      expect({ datastore, found: await findAll(network, 'c1') }).toEqual({ datastore, found: ['e1'] });
      const hub = await network.restart('hub', { datastore });
      await network.run(serviceOf(network, 'hub').advertiseService({ kind: 'validator', stake: '1' }));
      const backAtMs = network.clock.elapsed();
      await network.runUntil(() => hub.getPeers().length === 2);
      expect(network.clock.elapsed() - backAtMs).toBeLessThan(33_000);
      await network.runFor(2_000);
      expect({ datastore, found: await findAll(network, 'hub') }).toEqual({ datastore, found: ['e1'] });
      const validators = await network.run(serviceOf(network, 'c1').discoverValidators());
      expect(validators.map(({ peerId }) => peerId)).toEqual([peerIdOf(network, 'hub')]);
    }
  });

  test('works after hours in which libp2p has forgotten the address', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: ['hub', 'c1'],
      link: { delayMs: 50 },
      createNode: star((name) => (name === 'c1' ? { bootstrapIntervalMs: 86_400_000 } : {})),
    });
    await network.runFor(1_000);
    network.partition(['hub'], ['c1']);
    await network.runFor(60_000);
    expect(network.node('c1').getPeers()).toEqual([]);
    await network.runFor(2 * 3_600_000);
    network.heal();
    await network.runUntil(() => network.node('c1').getPeers().length === 1, { timeoutMs: 40_000 });
  });

  test('enters the DHT also when the first ping failed', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: ['hub', 'c1', 'e1'],
      link: { delayMs: 50 },
      fidelity: 'full',
      createNode: star(),
    });
    network.crash('e1');
    const hub = network.node('hub');
    let refused = 0;
    const ping = '/ipfs/ping/1.0.0';
    await hub.unhandle(ping);
    await hub.handle(ping, async (stream) => {
      if (refused++ === 0) return stream.abort(new Error('not now'));
      stream.addEventListener('message', ({ data }) => stream.send(data.subarray()));
    });
    await network.restart('e1', { datastore: 'empty' });
    await advertiseAll(network, ['e1']);
    expect(refused).toBeGreaterThan(1);
    expect(await findAll(network, 'c1')).toEqual(['e1']);
  });
});
