// Two services of your own on three libp2p nodes, in virtual time. Run it: node --test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lpStream } from '@libp2p/utils';
import { createTestNetwork, simCheck, type SimHost } from '@lloom/simkit';
import { createLibp2p, type Libp2p } from 'libp2p';

type Addresses = ReturnType<Libp2p['getMultiaddrs']>;
type Counts = [id: string, count: number][];

interface Question {
  readonly protocol: string;
  readonly question: unknown;
  readonly timeoutMs: number;
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: { subarray(): Uint8Array }): unknown =>
  JSON.parse(new TextDecoder().decode(bytes.subarray()));

/** Sends a question on a stream of its own, and reads the answer. */
async function request(node: Libp2p, addresses: Addresses, { protocol, question, timeoutMs }: Question) {
  const signal = AbortSignal.timeout(timeoutMs);
  const stream = await node.dialProtocol(addresses, protocol, { signal });
  try {
    const messages = lpStream(stream);
    await messages.write(encode(question), { signal });
    const answer = decode(await messages.read({ signal }));
    await stream.close({ signal });
    return answer;
  } catch (error) {
    stream.abort(error as Error);
    throw error;
  }
}

/** Answers each question on its stream. A handler begins to read before it awaits anything else. */
async function respond(node: Libp2p, protocol: string, answer: (question: unknown) => unknown) {
  await node.handle(protocol, async (stream) => {
    const messages = lpStream(stream);
    await messages.write(encode(answer(decode(await messages.read()))));
    await stream.close();
  });
}

/** The first service: tells prices. */
class Quotes {
  static readonly protocol = '/example/quotes/1.0.0';
  readonly prices = new Map([['tea', 3]]);
  readonly node: Libp2p;

  constructor(node: Libp2p) {
    this.node = node;
  }

  async start(): Promise<void> {
    await respond(this.node, Quotes.protocol, (question) => {
      const { item } = question as { item: string };
      return { price: this.prices.get(item) ?? null };
    });
  }

  async ask(addresses: Addresses, item: string): Promise<number | null> {
    const { protocol } = Quotes;
    const answer = await request(this.node, addresses, { protocol, question: { item }, timeoutMs: 2_000 });
    return (answer as { price: number | null }).price;
  }
}

/** The second service: everybody counts, and hears every second from those it knows how far they are. */
class Counter {
  static readonly protocol = '/example/counter/1.0.0';
  readonly counts = new Map<string, number>();
  readonly node: Libp2p;
  readonly neighbours: readonly Addresses[];
  timer: ReturnType<typeof setInterval> | undefined;

  constructor(node: Libp2p, neighbours: readonly Addresses[]) {
    this.node = node;
    this.neighbours = neighbours;
  }

  async start(): Promise<void> {
    await respond(this.node, Counter.protocol, (counts) => {
      this.merge(counts as Counts);
      return [...this.counts];
    });
    this.timer = setInterval(() => {
      for (const addresses of this.neighbours) void this.exchange(addresses);
    }, 1_000);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  count(): void {
    const id = this.node.peerId.toString();
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async exchange(addresses: Addresses): Promise<void> {
    const { protocol } = Counter;
    const question = [...this.counts];
    try {
      this.merge((await request(this.node, addresses, { protocol, question, timeoutMs: 5_000 })) as Counts);
    } catch {
      // It is asked again in a second.
    }
  }

  merge(counts: Counts): void {
    for (const [id, count] of counts) this.counts.set(id, Math.max(count, this.counts.get(id) ?? 0));
  }
}

interface App {
  readonly node: Libp2p;
  readonly quotes: Quotes;
  readonly counter: Counter;
  stop(): Promise<void>;
}

/** Your application: a node with both services. It knows the nodes that run already. */
async function createApp(
  { privateKey, address, stack }: SimHost,
  others: ReadonlyMap<string, App>,
): Promise<App> {
  const node = await createLibp2p({ privateKey, addresses: { listen: [address] }, ...stack });
  const quotes = new Quotes(node);
  const neighbours = [...others.values()].map((other) => other.node.getMultiaddrs());
  const counter = new Counter(node, neighbours);
  await quotes.start();
  await counter.start();
  const stop = async (): Promise<void> => {
    counter.stop();
    await node.stop();
  };
  return { node, quotes, counter, stop };
}

test('prices and counts survive a partition', { timeout: 60_000 }, async ({ signal }) => {
  const { hashes } = await simCheck({
    seeds: 10,
    signal,
    create: (seed) =>
      createTestNetwork({
        seed,
        nodes: ['alice', 'bob', 'carol'],
        link: { delayMs: 40, jitterMs: 20, lossRatio: 0.02 },
        createNode: createApp,
      }),
    scenario: async (network) => {
      const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => network.node(name)) as [
        App,
        App,
        App,
      ];
      const apps = [alice, bob, carol];
      const askCarol = () => network.run(() => alice.quotes.ask(carol.node.getMultiaddrs(), 'tea'));
      let counted = 0;
      const count = (app: App): void => {
        app.counter.count();
        counted += 1;
      };
      network.always('nobody counts what was not', () =>
        apps.every(({ counter }) => counter.total <= counted),
      );

      // What nodes do is awaited inside of `run`: it lets time pass.
      assert.equal(await askCarol(), 3);

      const heal = network.partition(['alice'], ['bob', 'carol']);
      [alice, bob, carol, bob].forEach(count);
      await assert.rejects(askCarol(), { name: 'TimeoutError' });
      await network.runFor(10_000);
      const totals = apps.map(({ counter }) => counter.total);
      assert.deepEqual(totals, [1, 3, 3]);

      heal();
      const isKnown = (): boolean => apps.every(({ counter }) => counter.total === counted);
      network.eventually('all know all', isKnown, { withinMs: 30_000 });
      await network.runFor(30_000);
      assert.equal(await askCarol(), 3);
    },
  });
  console.log(`${hashes.size} seeds have passed`);
});
