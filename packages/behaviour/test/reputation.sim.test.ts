import type { TestNetwork } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { GossipTopic, type Hex, type Identity } from '../src/index.ts';
import { question } from './nodes.ts';
import { failureOf, identityOf, planet, serve, star, type SimNode } from './simNodes.ts';

type Network = TestNetwork<SimNode>;

/** Whose answers have a signature in which a bit is wrong; all else that it signs is right. */
function forging(identity: Identity): Identity {
  const signer: Identity['signer'] = (...given) => {
    const honest = identity.signer(...given);
    return {
      address: honest.address,
      sign: async (draft) => {
        const envelope = await honest.sign(draft);
        if (draft.payloadType === 'ServiceDescriptor') return envelope;
        const bytes = Buffer.from(envelope.signature.slice(2), 'hex');
        bytes[5]! ^= 1;
        return { ...envelope, signature: `0x${bytes.toString('hex')}` as Hex };
      },
    };
  };
  return new Proxy(identity, {
    get(target, key) {
      if (key === 'signer') return signer;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Why nodes end connections to others from now on, and for what reputation they ban them: `by of why`. */
function judgements(network: Network): string[] {
  const told: string[] = [];
  const names = new Map([...network.nodes].map(([name, { peerId }]) => [peerId, name]));
  for (const [by, node] of network.nodes) {
    node.addEventListener('connection:closed', ({ detail: { peerId, cause } }) => {
      if (cause?.code === 'REPUTATION') told.push(`${by} disconnects ${names.get(peerId)}`);
    });
    node.addEventListener('peer:banned', ({ detail }) => {
      told.push(`${by} bans ${names.get(detail.peerId)} by ${detail.by}`);
    });
  }
  return told;
}

/** Publishes past every limit that a node keeps to by itself. */
async function shout(
  network: Network,
  by: string,
  { topic, perSecond, durationMs }: { topic: string; perSecond: number; durationMs: number },
): Promise<void> {
  const { gossipsub } = network.node(by);
  const stepMs = 100;
  for (let [passedMs, number] = [0, 0]; passedMs < durationMs; passedMs += stepMs) {
    for (; number < (perSecond * passedMs) / 1_000; number++) {
      const data = new TextEncoder().encode(`no message of the network ${number}`);
      gossipsub.publish(topic, data).catch(() => undefined);
    }
    await network.runFor(stepMs);
  }
}

const sorted = (texts: Iterable<string>): string[] => [...texts].toSorted((a, b) => a.localeCompare(b));

describe('an executor that signs its answers wrongly', () => {
  test('loses 20 points for each, is disconnected, then banned, and chosen no more', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({
      nodes: ['v', 'honest', 'forger', 'c'],
      link: planet,
      createNode: star(undefined, (host) =>
        host.name === 'forger' ? forging(identityOf(host)) : identityOf(host),
      ),
    });
    const [client, forger, honest] = ['c', 'forger', 'honest'].map((name) => network.node(name)) as [
      SimNode,
      SimNode,
      SimNode,
    ];
    for (const name of ['honest', 'forger']) await network.run(serve(network.node(name), network.clock));
    await network.runFor(15_000);
    const told = judgements(network);
    const select = () => network.run(client.selectExecutor({ model: 'demo-small' }));
    const lieAndSelect = async () => {
      const message = await question(client.identity, forger.peerId);
      const error = await network.run(failureOf(client.stream(forger.peerId, message).result));
      expect(error).toMatchObject({ name: 'RpcError', code: 'SIGNATURE_INVALID' });
      const { peerId } = await select();
      expect(peerId).toBe(honest.peerId);
      return client.explainPeer(forger.peerId).facts.map(({ fact, points }) => [fact, Math.round(points)]);
    };
    expect(await lieAndSelect()).toEqual([['INVALID_ANSWER', -20]]);
    expect(client.isConnected(forger.peerId)).toBe(true);
    await network.runFor(5_000);
    expect(await lieAndSelect()).toEqual([['INVALID_ANSWER', -40]]);
    expect([new Set(told.splice(0)), client.isConnected(forger.peerId)]).toEqual([
      new Set(['c disconnects forger']),
      false,
    ]);
    // It dials the client again when it may.
    await network.runUntil(() => client.isConnected(forger.peerId), { timeoutMs: 60_000 });
    expect(await lieAndSelect()).toEqual([['INVALID_ANSWER', -59]]);
    expect([told, client.isConnected(forger.peerId)]).toEqual([['c bans forger by reputation'], false]);

    // Others speak of it, and it tells everybody of itself.
    await network.runFor(45_000);
    const { candidates, rejected } = (await select()).explain();
    expect(candidates.map(({ provider }) => provider.peerId)).toEqual([honest.peerId]);
    expect(rejected).toEqual([{ peerId: forger.peerId, reason: 'REPUTATION' }]);
    expect(client.findAlternativePeer(honest.peerId, { model: 'demo-small' })).toBeUndefined();
    const message = await question(client.identity, forger.peerId);
    const refused = await network.run(failureOf(client.stream(forger.peerId, message).result));
    expect(refused).toMatchObject({ code: 'DIAL_FAILED' });
    // Nobody else was lied to.
    expect(client.reputationOf(honest.peerId)).toBeGreaterThanOrEqual(0);
    expect(network.node('v').isConnected(forger.peerId)).toBe(true);
  });
});

describe('a neighbour that hands over gossip that is invalid by itself', () => {
  // Whoever is fast is soon not read any more: that must not keep it connected.
  for (const perSecond of [1, 200]) {
    test(`${perSecond} times a second is disconnected, comes back, and is banned, by all`, async ({
      createNetwork,
    }) => {
      const network = await createNetwork({
        nodes: ['a', 'b', 'c', 'spammer'],
        link: planet,
        createNode: star(),
      });
      const topic = GossipTopic.PriceUpdates;
      for (const node of network.nodes.values()) await network.run(node.subscribeTopic(topic));
      await network.runFor(10_000);
      const told = judgements(network);
      const { peerId } = network.node('spammer');
      const others = ['a', 'b', 'c'].map((name) => network.node(name));
      await shout(network, 'spammer', { topic, perSecond, durationMs: 5_000 });
      expect(sorted(new Set(told))).toEqual(['a', 'b', 'c'].map((name) => `${name} disconnects spammer`));
      const isBanned = (node: SimNode): boolean => node.bannedPeers().some((ban) => ban.peerId === peerId);
      for (let round = 0; round < 12 && !others.every(isBanned); round++)
        await shout(network, 'spammer', { topic, perSecond, durationMs: 10_000 });
      expect(others.map(isBanned)).toEqual([true, true, true]);
      expect(others.map((node) => node.isConnected(peerId))).toEqual([false, false, false]);
      expect(told.filter((text) => !text.includes(' spammer'))).toEqual([]);
      for (const node of others)
        for (const other of others) expect(node.reputationOf(other.peerId)).toBeGreaterThanOrEqual(0);
    });
  }
});

describe('a neighbour that says more than it may', () => {
  test('is disconnected by whom it tells, and whoever passes on what was allowed is not blamed', async ({
    createNetwork,
  }) => {
    const topic = 'chatter/1.0.0';
    const network = await createNetwork({
      nodes: ['between', 'far', 'farther', 'flooder'],
      link: planet,
      createNode: star(),
    });
    network.partition(['flooder'], ['far', 'farther']);
    const heard: string[] = [];
    for (const [name, node] of network.nodes) {
      await network.run(node.createTopic(topic).subscribe());
      node.addEventListener('message:received', ({ detail }) => {
        if (detail.topic === topic) heard.push(name);
      });
    }
    await network.runFor(30_000);
    const [between, flooder] = [network.node('between'), network.node('flooder')];
    expect(network.node('far').isConnected(flooder.peerId)).toBe(false);
    const told = judgements(network);
    await shout(network, 'flooder', { topic, perSecond: 200, durationMs: 12_000 });
    expect(told[0]).toBe('between disconnects flooder');
    expect(new Set(told).size).toBe(1);
    expect(between.explainPeer(flooder.peerId).facts).toMatchObject([{ fact: 'FLOOD' }]);
    // What it may say reached everybody, by the one between.
    for (const name of ['far', 'farther']) {
      expect(heard.filter((by) => by === name).length).toBeGreaterThan(200);
      expect(network.node(name).isConnected(between.peerId)).toBe(true);
      expect(network.node(name).explainPeer(between.peerId).facts).toEqual([]);
    }
  });
});

describe('an executor that fails', () => {
  test('because it is busy, slow or restarted is never disconnected for it, and chosen last', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({
      nodes: ['v', 'good', 'failing', 'idle', 'c'],
      // None is slower by chance.
      link: { delayMs: 50 },
      createNode: star(() => ({ packages: { rpc: { capacity: 1, maxQueuedRequests: 0 } } })),
    });
    const client = network.node('c');
    const { peerId } = network.node('failing');
    for (const name of ['good', 'failing', 'idle'])
      await network.run(serve(network.node(name), network.clock));
    await network.runFor(15_000);
    const told = judgements(network);
    const ask = async (timeoutMs: number): Promise<string> => {
      const message = await question(client.identity, peerId);
      const error = await failureOf(client.request(peerId, message, { timeoutMs }));
      return (error as { code: string }).code;
    };
    const ends = new Set<string>();
    for (let round = 0; round < 3; round++) {
      await network.runUntil(() => client.isConnected(peerId), { timeoutMs: 60_000 });
      // It is slow and has no room, falls over, and starts again.
      network
        .node('failing')
        .serve(
          (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
        );
      const slow = ask(6_000);
      await network.runFor(500);
      for (const asked of [ask(6_000), slow]) ends.add(await network.run(asked));
      network.node('failing').serve(() => Promise.reject(new Error('out of memory')));
      ends.add(await network.run(ask(6_000)));
      const interrupted = ask(6_000);
      network.crash('failing');
      ends.add(await network.run(interrupted));
      await network.restart('failing');
      await network.run(serve(network.node('failing'), network.clock));
      await network.runFor(30_000);
    }
    expect(sorted(ends)).toEqual(['BUSY', 'CONNECTION_CLOSED', 'PEER_AVOIDED', 'REMOTE', 'TIMEOUT']);
    expect(told).toEqual([]);
    expect(client.isConnected(peerId)).toBe(true);
    expect(client.reputationOf(peerId)).toBeGreaterThan(-15);
    expect(client.reputationOf(peerId)).toBeLessThan(-4);
    const { candidates } = (await network.run(client.selectExecutor({ model: 'demo-small' }))).explain();
    expect(candidates.map(({ provider }) => provider.peerId).indexOf(peerId)).toBe(2);
    expect(candidates[2]!.score).toBeLessThan(candidates[1]!.score);
  });
});
