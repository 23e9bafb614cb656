import { test } from '@lloom/simkit/vitest';
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { askByHand } from './autonatPeer.ts';
import { expect } from 'vitest';
import type { SimHost, TestNetwork, TestNetworkConfig } from '@lloom/simkit';
import { Outside } from './outside.ts';
import {
  autonatOf,
  createSimNode,
  kindOf,
  probingOf,
  toldOf,
  type ReachConfig,
  type ReachNode,
} from './reachable.ts';

type Create = (config: TestNetworkConfig<ReachNode>) => Promise<TestNetwork<ReachNode>>;

const link = { delayMs: 20 };
const minuteMs = 60_000;
const own = '/ip4/45.0.0.1/tcp/4001';
const at = (kind: string) => (kind === 'public' ? { kind, address: own } : { kind });

interface Plan {
  readonly servers?: readonly string[];
  /** Of the node `a` that wants to know. */
  readonly config?: ReachConfig;
  readonly isGlobal?: boolean;
}

/** A node `a` behind a router of its own, and servers that are seen by everybody. */
async function internet(createNetwork: Create, { servers = ['b', 'c', 'd'], config, isGlobal }: Plan = {}) {
  const outside = new Outside();
  for (const name of servers) outside.global.add(name);
  if (isGlobal === true) outside.global.add('a');
  const createNode = (host: SimHost): Promise<ReachNode> => {
    const listen = [outside.listenOf(host)];
    const defaults: ReachConfig = { autonat: { onlyGlobalIps: true, enableServer: host.name !== 'a' } };
    const given = host.name === 'a' ? { ...defaults, ...config } : defaults;
    return createSimNode(host, given, { ...outside.stackOf(host), addresses: { listen } });
  };
  const network = await createNetwork({ nodes: ['a', ...servers], link, createNode });
  const a = network.node('a');
  const connect = async (name: string): Promise<void> => {
    const number = 1 + ['a', ...servers].indexOf(name);
    const address = `/ip4/45.0.0.${number}/tcp/4001/p2p/${network.node(name).peerId.toString()}`;
    await network.run(() => a.dial(multiaddr(address)));
  };
  const connectAll = async (): Promise<void> => {
    for (const name of servers) await connect(name);
  };
  /** How often `a` was dialled so far. */
  const tries = (): number => outside.dials.filter((dial) => dial.endsWith(own)).length;
  return { network, outside, a, connect, connectAll, tries };
}

const announced = (node: ReachNode): string[] =>
  node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, ''));

test('a node that others get through to turns public within a second', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: ['a', 'b'], link, createNode: (host) => createSimNode(host) });
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => a.dial(b.getMultiaddrs()));
  await network.runUntil(() => kindOf(a) === 'public' && kindOf(b) === 'public', { timeoutMs: 1_000 });
  expect(toldOf(a)).toEqual([{ kind: 'public', address: '/ip4/10.0.0.1/tcp/4001' }]);
  await network.runFor(1_500);
  // Each has dialled the other, and closed what it dialled.
  expect([a.getConnections().length, a.services.reach.logged]).toEqual([1, []]);
});

test('a forwarded address is found through what peers see, verified and announced', async ({
  createNetwork,
}) => {
  const { network, a, connectAll } = await internet(createNetwork);
  await connectAll();
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 1_000 });
  expect(announced(a)).toContain(own);
  expect(probingOf(a).explain()).toMatchObject({
    status: at('public'),
    servers: 3,
    candidates: [{ address: own, verdict: 'reachable' }],
  });
});

test('a node that nobody gets through to is private, and is sure after three rounds', async ({
  createNetwork,
}) => {
  const { network, outside, a, connectAll, tries } = await internet(createNetwork);
  outside.firewalled.add('a');
  await connectAll();
  await network.runUntil(() => kindOf(a) === 'private', { timeoutMs: 7_000 });
  await network.runUntil(() => probingOf(a).explain().confidence === 3, { timeoutMs: minuteMs });
  const before = tries();
  await network.runFor(11 * minuteMs);
  // Twice in that time two are asked.
  expect([tries() - before, toldOf(a)]).toEqual([4, [at('private')]]);
});

test('a node is private although one of its addresses is such as nobody can dial', async ({
  createNetwork,
}) => {
  const outside = new Outside();
  outside.global.add('b');
  outside.firewalled.add('a');
  const network = await createNetwork({
    nodes: ['a', 'b'],
    link,
    createNode: (host) => {
      const announce = host.name === 'a' ? [own, `${own.replace('tcp', 'udp')}/quic-v1`] : [];
      const options = { ...outside.stackOf(host), addresses: { listen: [outside.listenOf(host)], announce } };
      return createSimNode(host, { autonat: { onlyGlobalIps: true } }, options);
    },
  });
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => a.dial(multiaddr(`/ip4/45.0.0.2/tcp/4001/p2p/${b.peerId.toString()}`)));
  // Both questions are for the same peer, which is asked again after the throttle interval.
  await network.runUntil(() => kindOf(a) === 'private', { timeoutMs: 11_000 });
  expect(probingOf(a).explain().candidates).toMatchObject([
    { address: own, verdict: 'unreachable' },
    { verdict: 'untested' },
  ]);
});

test('a node that goes behind a firewall is public until three rounds say otherwise, and back', async ({
  createNetwork,
}) => {
  const { network, outside, a, connectAll } = await internet(createNetwork);
  await connectAll();
  await network.runUntil(() => probingOf(a).explain().confidence === 3, { timeoutMs: minuteMs });
  outside.firewalled.add('a');
  await network.runUntil(() => probingOf(a).explain().confidence === 1, { timeoutMs: 7 * minuteMs });
  expect([kindOf(a), announced(a).includes(own)]).toEqual(['public', true]);
  await network.runUntil(() => kindOf(a) === 'private', { timeoutMs: minuteMs });
  expect([probingOf(a).explain().confidence, announced(a).includes(own)]).toEqual([1, false]);
  outside.firewalled.delete('a');
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: minuteMs });
  expect(toldOf(a)).toEqual([at('public'), at('private'), at('public')]);
});

test('what nobody confirms for ten minutes is unknown again', async ({ createNetwork }) => {
  const { network, a, connectAll } = await internet(createNetwork);
  await connectAll();
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 1_000 });
  await network.run(() => Promise.all(a.getPeers().map((peer) => a.hangUp(peer))));
  await network.runFor(9 * minuteMs);
  expect([kindOf(a), announced(a).includes(own)]).toEqual(['public', true]);
  await network.runFor(2 * minuteMs);
  expect([toldOf(a), announced(a).includes(own)]).toEqual([[at('public'), at('unknown')], false]);
});

test('nobody is asked, nor dialled for, more often than the throttle says', async ({ createNetwork }) => {
  const { network, a, connect, tries, outside } = await internet(createNetwork);
  outside.firewalled.add('a');
  await connect('b');
  await network.runFor(2_000);
  expect(tries()).toBe(1);
  // The dial takes 3 s, then the pause begins.
  await network.runFor(10_000);
  expect(tries()).toBe(1);
  await network.runFor(2_000);
  expect([tries(), probingOf(a).explain().confidence]).toEqual([2, 1]);
  // Another server may be asked at once, and is as soon as it comes.
  await network.runFor(5_000);
  await connect('c');
  await network.runFor(minuteMs);
  expect(probingOf(a).explain().confidence).toBe(3);
});

test('without a server, and without a candidate, nothing is known', async ({ createNetwork }) => {
  const { network, a, connect } = await internet(createNetwork, { servers: ['b'] });
  await network.run(() => probingOf(network.node('b')).disable());
  await connect('b');
  await network.runFor(minuteMs);
  expect([kindOf(a), probingOf(a).explain().servers]).toEqual(['unknown', 0]);
  await network.run(() => probingOf(network.node('b')).enable(autonatOf({ onlyGlobalIps: true })));
  // Identify pushes what it speaks now.
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 3_000 });
});

test('a node that gets another address is public there, without ever being less sure', async ({
  createNetwork,
}) => {
  const { network, outside, a, connectAll } = await internet(createNetwork);
  await connectAll();
  await network.runUntil(() => probingOf(a).explain().confidence === 3, { timeoutMs: minuteMs });
  outside.moved.add('a');
  // Its connections end with its old address.
  for (const connection of a.getConnections()) connection.abort(new Error('the address is gone'));
  await connectAll();
  await network.runUntil(() => announced(a).length === 2, { timeoutMs: 1_000 });
  // Whether the old address is gone is known when those who got through have tried it again.
  await network.runUntil(() => toldOf(a).length === 2, { timeoutMs: 25_000 });
  const address = '/ip4/46.0.0.1/tcp/4001';
  expect([toldOf(a)[1], announced(a), probingOf(a).explain().confidence]).toEqual([
    { kind: 'public', address },
    ['/ip4/10.0.0.1/tcp/4001', address],
    3,
  ]);
});

test('autonat may be enabled and disabled at any time, and leaves nothing behind', async ({
  createNetwork,
}) => {
  const { network, a, connectAll } = await internet(createNetwork);
  await connectAll();
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 1_000 });
  const probing = probingOf(a);
  const global = autonatOf({ onlyGlobalIps: true });
  await network.run(() =>
    Promise.all([
      probing.disable(),
      probing.enable(global),
      probing.enable({ ...global, enableServer: false }),
      probing.disable(),
      probing.stop(),
      probing.start(),
      probing.disable(),
    ]),
  );
  expect([kindOf(a), announced(a).includes(own)]).toEqual(['unknown', false]);
  expect(a.getProtocols().filter((name) => name.includes('autonat'))).toEqual([]);
  await network.runFor(minuteMs);
  expect([toldOf(a).length, probing.explain()]).toMatchObject([
    2,
    { confidence: 0, candidates: [], isAutonatEnabled: false, isAutonatServer: false },
  ]);
  await network.run(() => probing.enable(global));
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 1_000 });
  expect(a.getProtocols().filter((name) => name.includes('autonat'))).toHaveLength(2);
  await network.run(() => a.stop());
  expect([kindOf(a), a.services.reach.logged]).toEqual(['unknown', []]);
});

test('another configuration keeps what it admits, and forgets what it does not', async ({
  createNetwork,
}) => {
  const { network, a, connectAll } = await internet(createNetwork);
  await connectAll();
  const probing = probingOf(a);
  await network.runUntil(() => probing.explain().confidence === 3, { timeoutMs: minuteMs });
  await network.run(() => probing.enable(autonatOf({ confidenceThreshold: 2 })));
  expect([probing.status, probing.explain().confidence]).toEqual([at('public'), 2]);
  await network.runFor(1_000);
  // Its own number is tried too from now on.
  expect(probing.explain().candidates).toHaveLength(2);
  expect(toldOf(a)).toHaveLength(1);
});

test('what the user announces is verified as well', async ({ createNetwork }) => {
  const outside = new Outside();
  outside.global.add('b');
  const network = await createNetwork({
    nodes: ['a', 'b'],
    link,
    createNode: (host) => {
      const announce = host.name === 'a' ? [own] : [];
      const options = { ...outside.stackOf(host), addresses: { listen: [outside.listenOf(host)], announce } };
      return createSimNode(host, { autonat: { onlyGlobalIps: true } }, options);
    },
  });
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => a.dial(multiaddr(`/ip4/45.0.0.2/tcp/4001/p2p/${b.peerId.toString()}`)));
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 1_000 });
  expect(probingOf(a).explain().candidates).toHaveLength(1);
  await network.run(() => probingOf(a).disable());
  expect(announced(a)).toEqual([own]);
});

test('nobody is asked, answered or proven through a relay, also one without limits', async ({
  createNetwork,
}) => {
  const network = await createNetwork({
    nodes: ['r', 'a', 'b'],
    link,
    createNode: (host) => {
      const isRelay = host.name === 'r';
      const relay = circuitRelayServer({ reservations: { applyDefaultLimit: false } });
      const transports = [...host.stack.transports, circuitRelayTransport()] as never;
      const listen = [host.address];
      return createSimNode(host, isRelay ? { autonat: false } : {}, {
        transports,
        addresses: { listen },
        ...(isRelay && { services: { relay } as never }),
      });
    },
  });
  const [r, a, b] = [network.node('r'), network.node('a'), network.node('b')];
  const [relayed] = r.getMultiaddrs().map((address) => address.encapsulate('/p2p-circuit'));
  await network.run(() => listen(b, relayed!));
  const through = relayed!.encapsulate(`/p2p/${b.peerId.toString()}`);
  const connection = await network.run(() => a.dial(through));
  await network.runFor(5_000);
  expect([connection.limits, kindOf(a), kindOf(b)]).toEqual([undefined, 'unknown', 'unknown']);
  expect(probingOf(a).explain().servers).toBe(0);
  const answer = await network.run(async () =>
    (await askByHand(connection, [multiaddr('/ip4/10.0.0.2/tcp/4001').bytes])).hear(),
  );
  expect(answer).toMatchObject({ status: 100 });
});

const listen = (node: ReachNode, address: Multiaddr): Promise<void> =>
  (
    Reflect.get(node, 'components') as {
      transportManager: { listen(addresses: Multiaddr[]): Promise<void> };
    }
  ).transportManager.listen([address]);
