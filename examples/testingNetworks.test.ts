// A libp2p service of one's own, and its tests in virtual time: four nodes watch one another, over links that delay and lose, through
// a crash, a restart and a cut, with several seeds. Run it: node --test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Libp2p, Startable, Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { ping, type Ping } from '@libp2p/ping';
import { lpStream } from '@libp2p/utils';
import { checkDeterminism, createTestNetwork, simCheck, type SimHost, type TestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';

type Addresses = ReturnType<Libp2p['getMultiaddrs']>;

interface Components {
  readonly registrar: Registrar;
  readonly connectionManager: ConnectionManager;
}

/** Says every second that it lives, and suspects whom it has not heard for five. It knows of no simulation. */
class Watch implements Startable {
  static readonly protocol = '/example/watch/1.0.0';
  readonly #components: Components;
  readonly #others: readonly Addresses[];
  readonly #heardAt = new Map<string, number>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(components: Components, others: readonly Addresses[]) {
    this.#components = components;
    this.#others = others;
  }

  async start(): Promise<void> {
    await this.#components.registrar.handle(Watch.protocol, async (stream, { remotePeer }) => {
      const messages = lpStream(stream);
      await messages.read({ signal: AbortSignal.timeout(2_000) });
      this.#heardAt.set(remotePeer.toString(), Date.now());
      await messages.write(alive);
      await stream.close();
    });
    this.#timer = setInterval(() => {
      for (const addresses of this.#others) void this.#greet(addresses);
    }, 1_000);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#components.registrar.unhandle(Watch.protocol);
  }

  /** The peer ids of all that were heard once, and lately not. */
  get suspects(): string[] {
    const isSilent = ([, at]: [string, number]): boolean => Date.now() - at > 5_000;
    return [...this.#heardAt].filter(isSilent).map(([peerId]) => peerId);
  }

  async #greet(addresses: Addresses): Promise<void> {
    const signal = AbortSignal.timeout(2_000);
    let stream: Stream | undefined;
    try {
      const connection = await this.#components.connectionManager.openConnection(addresses, { signal });
      stream = await connection.newStream(Watch.protocol, { signal });
      const messages = lpStream(stream);
      await messages.write(alive, { signal });
      await messages.read({ signal });
      this.#heardAt.set(connection.remotePeer.toString(), Date.now());
      await stream.close({ signal });
    } catch (error) {
      // It is greeted again in a second.
      stream?.abort(error as Error);
    }
  }
}

const alive = new Uint8Array([1]);
const watch = (others: readonly Addresses[]) => (components: Components) => new Watch(components, others);

type Node = Libp2p<{ ping: Ping; watch: Watch }>;

const names = ['alice', 'bob', 'carol', 'dave'];

const create = (seed: number) =>
  createTestNetwork({
    seed,
    nodes: names,
    link: { delayMs: 40, jitterMs: 20, lossRatio: 0.02 },
    createNode: ({ name, privateKey, address, stack }: SimHost, others: ReadonlyMap<string, Node>) => {
      const addresses = [...others]
        .filter(([other]) => other !== name)
        .map(([, node]) => node.getMultiaddrs());
      return createLibp2p({
        privateKey,
        addresses: { listen: [address] },
        ...stack,
        // Without `ping` libp2p takes its peers for dead.
        services: { ping: ping(), watch: watch(addresses) },
      });
    },
  });

async function scenario(network: TestNetwork<Node>): Promise<void> {
  const ids = new Map([...network.nodes].map(([name, node]) => [node.peerId.toString(), name]));
  const up = (): string[] => [...network.nodes.keys()];
  const suspectedBy = (name: string): string[] =>
    network
      .node(name)
      .services.watch.suspects.map((peerId) => ids.get(peerId) ?? peerId)
      .toSorted();
  const calm = network.always('nobody suspects who is up', () =>
    up().every((name) => !suspectedBy(name).some((other) => up().includes(other))),
  );
  await network.runFor(10_000);

  network.crash('dave');
  const isMissed = (): boolean => up().every((name) => suspectedBy(name).includes('dave'));
  network.eventually('all know that dave is gone', isMissed, { withinMs: 7_000 });
  await network.runFor(7_000);
  calm.end();

  await network.restart('dave');
  const isTrustful = (): boolean => names.every((name) => suspectedBy(name).length === 0);
  network.eventually('all trust dave again', isTrustful, { withinMs: 5_000 });
  await network.runFor(5_000);

  const heal = network.partition(['alice', 'bob'], ['carol', 'dave']);
  await network.runFor(10_000);
  assert.deepEqual(names.map(suspectedBy), [
    ['carol', 'dave'],
    ['carol', 'dave'],
    ['alice', 'bob'],
    ['alice', 'bob'],
  ]);
  heal();
  await network.runUntil(isTrustful, { timeoutMs: 30_000, what: 'all to trust all' });
}

test('a crash is seen, and nobody is suspected without a reason', async ({ signal }) => {
  await simCheck({ seeds: 4, signal, create, scenario });
});

test('a seed decides everything', async ({ signal }) => {
  await checkDeterminism({ seeds: [7], signal, create, scenario });
});
