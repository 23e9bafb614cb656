import { expect, test } from 'vitest';
import type { Handler } from '../src/index.ts';
import { advertise, createNetwork, failure, next, question, type Node } from './nodes.ts';

const hourMs = 3_600_000;
const words = 'A loom holds the warp while the weft is drawn through it'.split(' ');
const text = words.join(' ');

/** Says the words behind those that there are, each one token; `pauseAt` says before which word it waits, and for what. */
function speech(pauseAt: (word: number, signal: AbortSignal) => Promise<void>): Handler {
  return async function* (_request, { prefix, signal }) {
    const done = prefix === undefined ? 0 : prefix.text.trim().split(' ').length;
    const inboundTokens = 6 + done;
    for (const [index, word] of words.slice(done).entries()) {
      await pauseAt(done + index, signal);
      yield { inboundTokens, totalCost: String(inboundTokens + 10 * (index + 1)) };
      yield { text: done + index === words.length - 1 ? word : `${word} `, tokens: 1 };
    }
  };
}

const speakOn = speech(() => Promise.resolve());

/** Two executors, and a client that knows both. */
async function createMarket() {
  // An executor works on for a moment after a connection was lost, also by a ban.
  const rpc = { segmentTokens: 2, rejoinTimeoutMs: 1 };
  const { nodes } = await createNetwork(3, { packages: { rpc } });
  const [first, second, client] = nodes as [Node, Node, Node];
  const ended = Promise.withResolvers<void>();
  // Stops in the middle, until nobody waits for it any more.
  const halting = speech(async (word, signal) => {
    if (word < 6) return;
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    ended.resolve();
    throw signal.reason;
  });
  first.serve(halting, { canContinue: true });
  second.serve(speakOn, { canContinue: true });
  for (const executor of [first, second]) await advertise(executor);
  expect(await client.findModelProviders('demo-small')).toHaveLength(2);
  return { first, second, client, ended: ended.promise };
}

/** Resolves when a node sees its last connection to another one end. */
const parted = (node: Node, other: Node): Promise<unknown> =>
  next(node, 'connection:closed', ({ peerId }) => peerId === other.peerId && !node.isConnected(peerId));

/** Whether anything is left between two nodes, or under way at the client. */
function leftovers(client: Node, executor: Node) {
  return [
    ...client.pendingRequests(),
    ...client.libp2p.getConnections(executor.libp2p.peerId),
    ...executor.libp2p.getConnections(client.libp2p.peerId),
  ];
}

async function expectAnswer(client: Node, executor: Node): Promise<void> {
  executor.serve(speakOn, { canContinue: true });
  await client.dialPeer(executor.peerId, executor.listenedAddresses());
  const { response } = await client.request(
    executor.peerId,
    await question(client.identity, executor.peerId),
  );
  expect(response.payload.content).toBe(text);
}

test.each(['client', 'first'] as const)(
  'an answer goes on at another executor, no token lost and none twice, when in its middle a ban comes from the %s',
  async (who) => {
    const { first, second, client, ended } = await createMarket();
    const [banning, banned] = who === 'client' ? [client, first] : [first, client];
    const message = await question(client.identity, first.peerId, { maxPrice: '1000' });
    const answer = client.stream(first.peerId, message, { retry: { initialDelayMs: 1 } });
    const shown: string[] = [];
    const speakers = new Set<string>();
    const seen = [parted(client, first), parted(first, client)];
    for await (const chunk of answer) {
      expect(chunk.sequence).toBe(shown.length);
      shown.push(chunk.text);
      speakers.add(chunk.peerId);
      if (shown.length === 5) await banning.banPeer(banned.peerId, hourMs, 'in the middle');
    }
    const { content, shares } = await answer.result;
    expect([shown.join(''), content]).toEqual([text, text]);
    expect([...speakers]).toEqual([first.peerId, second.peerId]);
    expect(shares.map(({ peerId }) => peerId)).toEqual([first.peerId, second.peerId]);
    await Promise.all([...seen, ended]);
    expect(leftovers(client, first)).toEqual([]);

    await banning.unbanPeer(banned.peerId);
    await expectAnswer(client, first);
  },
);

test.each(['client', 'first'] as const)(
  'a request without another executor fails in a way that is told, when in its middle a ban comes from the %s',
  async (who) => {
    const { first, client, ended } = await createMarket();
    const [banning, banned] = who === 'client' ? [client, first] : [first, client];
    const answer = client.stream(first.peerId, await question(client.identity, first.peerId));
    const seen = [parted(client, first), parted(first, client)];
    let shown = '';
    const reading = async (): Promise<void> => {
      for await (const chunk of answer) {
        shown += chunk.text;
        if (chunk.sequence === 4) await banning.banPeer(banned.peerId, hourMs);
      }
    };
    expect(await failure(reading())).toMatchObject({ name: 'RpcError', code: 'CONNECTION_CLOSED' });
    expect(await failure(answer.result)).toMatchObject({ code: 'CONNECTION_CLOSED' });
    expect(answer.soFar.content).toBe(shown);
    expect(text.startsWith(shown)).toBe(true);
    await Promise.all([...seen, ended]);
    expect(leftovers(client, first)).toEqual([]);
    const again = failure(client.request(first.peerId, await question(client.identity, first.peerId)));
    expect(await again).toMatchObject({ name: 'RpcError' });

    await banning.unbanPeer(banned.peerId);
    await expectAnswer(client, first);
  },
);
