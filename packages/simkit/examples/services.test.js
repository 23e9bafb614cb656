// Two services of your own on three libp2p nodes, in virtual time. Run it: node --test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lpStream } from '@libp2p/utils';
import { createTestNetwork, simCheck } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';

const encode = (value) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes.subarray()));

/** Sends a question on a stream of its own, and reads the answer. */
async function request(node, addresses, { protocol, question, timeoutMs }) {
  const signal = AbortSignal.timeout(timeoutMs);
  const stream = await node.dialProtocol(addresses, protocol, { signal });
  try {
    const messages = lpStream(stream);
    await messages.write(encode(question), { signal });
    const answer = decode(await messages.read({ signal }));
    await stream.close({ signal });
    return answer;
  } catch (error) {
    stream.abort(error);
    throw error;
  }
}

/** Answers each question on its stream. A handler begins to read before it awaits anything else. */
async function respond(node, protocol, answer) {
  await node.handle(protocol, async (stream) => {
    const messages = lpStream(stream);
    await messages.write(encode(answer(decode(await messages.read()))));
    await stream.close();
  });
}

/** The first service: tells prices. */
class Quotes {
  static protocol = '/example/quotes/1.0.0';
  prices = new Map([['tea', 3]]);

  constructor(node) {
    this.node = node;
  }

  start() {
    return respond(this.node, Quotes.protocol, ({ item }) => ({ price: this.prices.get(item) ?? null }));
  }

  async ask(addresses, item) {
    const { protocol } = Quotes;
    const { price } = await request(this.node, addresses, { protocol, question: { item }, timeoutMs: 2_000 });
    return price;
  }
}

/** The second service: everybody counts, and hears every second from those it knows how far they are. */
class Counter {
  static protocol = '/example/counter/1.0.0';
  counts = new Map();

  constructor(node, neighbours) {
    this.node = node;
    this.neighbours = neighbours;
  }

  async start() {
    await respond(this.node, Counter.protocol, (counts) => {
      this.merge(counts);
      return [...this.counts];
    });
    this.timer = setInterval(() => {
      for (const addresses of this.neighbours) void this.exchange(addresses);
    }, 1_000);
  }

  stop() {
    clearInterval(this.timer);
  }

  count() {
    const id = this.node.peerId.toString();
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
  }

  get total() {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async exchange(addresses) {
    const { protocol } = Counter;
    const question = [...this.counts];
    try {
      this.merge(await request(this.node, addresses, { protocol, question, timeoutMs: 5_000 }));
    } catch {
      // It is asked again in a second.
    }
  }

  merge(counts) {
    for (const [id, count] of counts) this.counts.set(id, Math.max(count, this.counts.get(id) ?? 0));
  }
}

/** Your application: a node with both services. It knows the nodes that run already. */
async function createApp({ privateKey, address, stack }, others) {
  const node = await createLibp2p({ privateKey, addresses: { listen: [address] }, ...stack });
  const quotes = new Quotes(node);
  const neighbours = [...others.values()].map((other) => other.node.getMultiaddrs());
  const counter = new Counter(node, neighbours);
  await quotes.start();
  await counter.start();
  const stop = async () => {
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
      const apps = ['alice', 'bob', 'carol'].map((name) => network.node(name));
      const [alice, bob, carol] = apps;
      const askCarol = () => network.run(() => alice.quotes.ask(carol.node.getMultiaddrs(), 'tea'));
      let counted = 0;
      const count = (app) => {
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
      const isKnown = () => apps.every(({ counter }) => counter.total === counted);
      network.eventually('all know all', isKnown, { withinMs: 30_000 });
      await network.runFor(30_000);
      assert.equal(await askCarol(), 3);
    },
  });
  console.log(`${hashes.size} seeds have passed`);
});
