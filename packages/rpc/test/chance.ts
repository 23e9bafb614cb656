import type { Random } from '@lloom/core';
import { seededRandom, type TestNetwork } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { Refusal, type AnswerPiece, type Handler } from '../src/index.ts';
import { nodes, outcomeOf, pause, readAll, wayOf, whole, type SimNode } from './simulation.ts';

const clients = ['client0', 'client1'];
const executors = ['executor0', 'executor1'];
const hosts = [...clients, ...executors];
const requestCount = 40;
/** How long requests are made and faults befall them. */
const storyMs = 60_000;
/** Longer than the longest request, and than it takes to close what it has left. */
const calmMs = 240_000;

/** What a client asks for, as the text of its question. */
interface Wish {
  readonly kind: 'whole' | 'pieces' | 'never' | 'throws' | 'refuses';
  readonly everyMs: number;
  readonly length: number;
}

const textOf = ({ kind, length }: Wish): string =>
  kind === 'whole' ? 'w'.repeat(length) : 'p'.repeat(1_000 * length);

const serve: Handler = async ({ request }, { signal }) => {
  const [first = ''] = request.payload.messages[0]?.content.split('\n') ?? [];
  const wish = JSON.parse(first) as Wish;
  const { kind, everyMs, length } = wish;
  if (kind === 'refuses') throw new Refusal('BUSY', 'not now');
  if (kind === 'never') await new Promise(() => undefined);
  if (kind === 'pieces') return pieces();
  await pause(everyMs);
  if (kind === 'throws') throw new Error('broken');
  return whole(textOf(wish));

  async function* pieces(): AsyncGenerator<AnswerPiece> {
    for (let piece = 0; piece < length; piece++) {
      await pause(everyMs);
      signal.throwIfAborted();
      yield 'p'.repeat(1_000);
    }
  }
};

/** A chooser that follows from a seed. */
function chooser(random: Random) {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)]!;
  return { pick, upTo: (limit: number): number => random.float() * limit };
}

/**
 * A minute of requests of every kind between two clients and two executors, while links are cut and nodes crash;
 * fails unless each request ends exactly once, every answer is whole and proven, and nothing is left in the end.
 */
export async function story(createNetwork: NetworkFixture['createNetwork'], seed: number) {
  const { pick, upTo } = chooser(seededRandom(`story/${seed}`));
  const { fidelity, carrier } = wayOf(seed);
  // Who offers a session to a peer without any is told so only where protocols are negotiated.
  const isMixed = fidelity === 'full' && seed % 5 === 0;
  const network = await createNetwork<SimNode>({
    nodes: hosts,
    link: { delayMs: pick([1, 20, 80]), jitterMs: pick([0, 20]), lossRatio: pick([0, 0.01, 0.1]) },
    seed,
    fidelity,
    createNode: nodes(
      Object.fromEntries(executors.map((name) => [name, { serve }])),
      isMixed ? 'both' : carrier,
    ),
  });
  const identities = new Map(executors.map((name) => [name, network.node(name).identity]));
  const all = [...network.nodes.values()];
  const outcomes: Promise<string>[] = [];

  const ask = async (): Promise<string> => {
    const from = network.nodes.get(pick(clients));
    const { peerId, ...to } = identities.get(pick(executors))!.toJSON();
    const wish: Wish = {
      kind: pick(['whole', 'pieces', 'pieces', 'pieces', 'never', 'throws', 'refuses']),
      everyMs: pick([0, 10, 500, 2_000]),
      length: pick([1, 5, 50]),
    };
    const prompt = `${JSON.stringify(wish)}\n${'x'.repeat(pick([0, 1_000, 100_000, 2_000_000]))}`;
    const [how, pauseMs] = [pick(['ping', 'request', 'stream', 'stream']), pick([0, 0, 100])];
    const signal = AbortSignal.timeout(pick([300_000, 300_000, 1 + Math.floor(upTo(3_000))]));
    const call = { timeoutMs: pick([1_000, 10_000, 120_000, 120_000]), signal };
    if (from === undefined) return 'not asked';
    if (how === 'ping') return outcomeOf(from.rpc.request(peerId, { type: 'ping' }, call));
    const signed = await from.identity.sign({ model: 'demo-small', prompt }, { to: to.evmAddress });
    const message = { type: 'llmRequest', request: signed } as const;
    if (how === 'request')
      return outcomeOf(
        from.rpc
          .request(peerId, message, call)
          .then(({ response }) => expect(response.payload.content).toBe(textOf(wish))),
      );
    const text = readAll(from.rpc.stream(peerId, message, call), pauseMs);
    return outcomeOf(text.then((read) => expect(read).toBe(textOf(wish))));
  };

  for (let count = 0; count < requestCount; count++) network.at(upTo(storyMs), () => outcomes.push(ask()));
  for (let count = upTo(8); count > 1; count--) {
    const fault = { kind: pick(faults), atMs: upTo(storyMs), lastsMs: pick([100, 2_000, 30_000]) };
    plan(network, fault, { client: pick(clients), executor: pick(executors), host: pick(hosts) });
  }

  await network.runFor(storyMs);
  network.heal();
  for (const client of clients) for (const executor of executors) network.release(client, executor);
  for (const host of hosts) if (!network.nodes.has(host)) all.push(await network.restart(host));
  await network.runFor(calmMs);
  const codes = await Promise.all(outcomes);

  for (const client of clients)
    for (const executor of executors) await expectAnswer(network, { client, executor });
  await network.runFor(calmMs);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  const hash = network.trace.hash();
  await network.stop();
  for (const { ledger } of all) {
    expect(ledger.wrongEnds).toEqual([]);
    expect([ledger.machines.size, ledger.timers.size]).toEqual([0, 0]);
  }
  return { codes, hash };
}

/** Asks up to three times: when a tenth is lost, one dial of a thousand takes longer than libp2p waits for it. */
async function expectAnswer(
  network: TestNetwork<SimNode>,
  { client, executor }: { readonly client: string; readonly executor: string },
): Promise<void> {
  const [{ rpc }, { peerId }] = [network.node(client), network.node(executor)];
  let outcome = '';
  for (let time = 0; time < 3 && outcome !== 'answered'; time++)
    outcome = await network.run(outcomeOf(rpc.request(peerId, { type: 'ping' })), { timeoutMs: 150_000 });
  expect(outcome).toBe('answered');
}

const faults = ['both ways', 'there', 'back', 'held', 'dies', 'dies', 'dies silently'] as const;

interface Fault {
  readonly kind: (typeof faults)[number];
  readonly atMs: number;
  readonly lastsMs: number;
}

interface Place {
  readonly client: string;
  readonly executor: string;
  readonly host: string;
}

function plan(network: TestNetwork<SimNode>, { kind, atMs, lastsMs }: Fault, place: Place): void {
  const { client, executor, host } = place;
  const begin = (): (() => void) | undefined => {
    switch (kind) {
      case 'both ways':
        return network.partition([client], [executor]);
      case 'there':
        return network.partitionOneWay([client], [executor]);
      case 'back':
        return network.partitionOneWay([executor], [client]);
      case 'held':
        network.hold(client, executor);
        return () => network.release(client, executor);
      case 'dies':
      case 'dies silently':
        if (network.nodes.has(host)) network.crash(host, { isSilent: kind === 'dies silently' });
        return undefined;
    }
  };
  network.at(atMs, () => {
    const lift = begin();
    if (lift !== undefined) network.at(atMs + lastsMs, lift);
  });
}

/** Says in which story something went wrong. */
export async function expectStory(createNetwork: NetworkFixture['createNetwork'], seed: number) {
  try {
    return await story(createNetwork, seed);
  } catch (error) {
    throw new Error(`story ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
