import { verifySignedMessage } from '@lloom/identity';
import type { TestNetwork } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import type { Answer, AnswerChunk, AnswerStream, Handler, RpcConfig } from '../src/index.ts';
import { question } from './nodes.ts';
import { nodes, pause, textOf, wayOf, type SimNode } from './simulation.ts';

/** Tokens of every answer. */
const answerTokens = 12;
/** The text of every answer. */
export const textOfAnswer = textOf(answerTokens);
/** After so many an executor signs. */
const segmentTokens = 4;

const questionTokens = 10;
const outboundPrice = 2;

/** What an executor asks for that has read and produced so many tokens, in wei. */
const priceOf = (inbound: number, outbound: number): number => inbound + outboundPrice * outbound;

/** How a kill is made. */
export interface Kill {
  /** After so many tokens were shown; 0: when the executor has begun, and nothing was shown. */
  readonly atToken: number;
  /** Whether the whole machine goes down, so that nobody is told. */
  readonly isSilent: boolean;
  /** How many are killed, each after so many tokens of its own. @default 1 */
  readonly times?: number;
}

/** A client, two executors of one model, and what the executors have run. */
export interface FailoverWorld {
  readonly network: TestNetwork<SimNode>;
  readonly asker: SimNode;
  /** The executors. */
  readonly names: readonly string[];
  /** How often each executor has run each key. */
  readonly runs: Map<string, number>;
  /** Called when an executor begins to work. */
  onRun: (name: string) => void;
  readonly peerIdOf: (name: string) => string;
  readonly nameOf: (peerId: string) => string;
}

/** Words that go on behind the prefix, one every so many ms, and what they cost so far. */
function wordsBehind(paceMs: number, onRun: (key: string) => void): Handler {
  return async function* ({ request }, { prefix, signal }) {
    onRun(request.payload.idempotencyKey);
    const first = prefix === undefined ? 0 : prefix.text.split(' ').length - 1;
    const inboundTokens = questionTokens + (prefix?.tokens ?? 0);
    for (let word = first; word < answerTokens; word++) {
      await pause(paceMs);
      signal.throwIfAborted();
      yield { inboundTokens, totalCost: String(priceOf(inboundTokens, word - first + 1)) };
      yield `word${word} `;
    }
    if (first === answerTokens) yield { inboundTokens, totalCost: String(priceOf(inboundTokens, 0)) };
  };
}

/** What world is made. */
export interface FailoverConfig {
  readonly seed: number;
  /** The executors. @default two */
  readonly names?: readonly string[];
  /** How they differ from those with all defaults. */
  readonly config?: RpcConfig;
}

/** Makes the world of one seed. */
export async function createFailoverWorld(
  createNetwork: NetworkFixture['createNetwork'],
  { seed, names = ['left', 'right'], config = {} }: FailoverConfig,
): Promise<FailoverWorld> {
  const runs = new Map<string, number>();
  const peerIds = new Map<string, string>();
  const onRun = { call: (_name: string): void => undefined };
  const executor = (name: string) => ({
    ...config,
    segmentTokens,
    canContinue: true,
    serve: wordsBehind(100 + (seed % 5) * 40, (key) => {
      const run = `${name} ${key}`;
      runs.set(run, (runs.get(run) ?? 0) + 1);
      onRun.call(name);
    }),
  });
  const find = ({ peerId, exclude }: { peerId: string; exclude: readonly string[] }): string | undefined =>
    [...peerIds.values()].find((other) => other !== peerId && !exclude.includes(other));
  const network = await createNetwork<SimNode>({
    nodes: ['asker', ...names],
    link: { delayMs: 20 + (seed % 7) * 10, jitterMs: seed % 3 === 0 ? 15 : 0 },
    seed,
    fidelity: wayOf(seed).fidelity,
    createNode: nodes(
      {
        asker: { alternatives: { find, search: async (query) => find(query) } },
        ...Object.fromEntries(names.map((name) => [name, executor(name)])),
      },
      wayOf(seed).carrier,
    ),
  });
  for (const name of names) peerIds.set(name, network.node(name).peerId);
  return {
    network,
    asker: network.node('asker'),
    names,
    runs,
    set onRun(fn: (name: string) => void) {
      onRun.call = fn;
    },
    peerIdOf: (name) => peerIds.get(name)!,
    nameOf: (peerId) => names.find((name) => peerIds.get(name) === peerId)!,
  };
}

/** Asks one executor, kills whoever answers, and checks that the answer is one all the same. */
export async function askAndKill(
  world: FailoverWorld,
  first: string,
  kill: Kill,
): Promise<{ readonly answer: Answer; readonly victims: readonly string[] }> {
  const { network, asker } = world;
  const victims: string[] = [];
  const strike = (name: string): void => {
    if (victims.length >= (kill.times ?? 1)) return;
    victims.push(name);
    network.crash(name, { isSilent: kill.isSilent });
  };
  world.onRun = (name) => {
    if (kill.atToken === 0) network.at(network.clock.elapsed() + 5, () => strike(name));
  };
  const message = await network.run(question(asker.identity, network.node(first).identity));
  const { idempotencyKey } = message.request.payload;
  const answer = asker.rpc.stream(world.peerIdOf(first), message, {
    idleTimeoutMs: 2_000,
    firstByteTimeoutMs: 2_000,
    retry: { maxAttempts: 4, initialDelayMs: 200 },
  });
  const chunks = await network.run(readAndStrike(answer, { ...kill, world, strike }), { timeoutMs: 60_000 });
  const whole = await network.run(answer.result);
  await expectOneAnswer(world, chunks, whole);
  const ran = world.names.map((name) => world.runs.get(`${name} ${idempotencyKey}`) ?? 0);
  expect(Math.max(...ran)).toBe(1);
  for (const name of victims) await network.restart(name);
  await network.runFor(1_000);
  return { answer: whole, victims };
}

/** Asks the first executor, breaks something when so many tokens were shown, and waits for the whole answer. */
export async function askAndBreak(
  world: FailoverWorld,
  atToken: number,
  act: (world: FailoverWorld) => void,
): Promise<{ readonly answer: Answer; readonly ran: number }> {
  const { network, asker, names } = world;
  const [first = ''] = names;
  const message = await network.run(question(asker.identity, network.node(first).identity));
  const stream = asker.rpc.stream(world.peerIdOf(first), message, { retry: { initialDelayMs: 200 } });
  let isStruck = false;
  const strike = (): void => {
    if (!isStruck) act(world);
    isStruck = true;
  };
  const chunks = await network.run(readAndStrike(stream, { atToken, isSilent: false, world, strike }));
  const answer = await network.run(stream.result);
  await expectOneAnswer(world, chunks, answer);
  await network.runFor(1_000);
  return { answer, ran: world.runs.get(`${first} ${message.request.payload.idempotencyKey}`) ?? 0 };
}

async function readAndStrike(
  answer: AnswerStream,
  { atToken, world, strike }: Kill & { world: FailoverWorld; strike: (name: string) => void },
): Promise<AnswerChunk[]> {
  const chunks: AnswerChunk[] = [];
  for await (const chunk of answer) {
    chunks.push(chunk);
    if (chunks.length % atToken === 0) strike(world.nameOf(chunk.peerId));
  }
  return chunks;
}

/** Every token once; every signature proven; everybody is owed what they have signed for, and nobody anything twice. */
async function expectOneAnswer(
  { asker, nameOf }: FailoverWorld,
  chunks: readonly AnswerChunk[],
  answer: Answer,
): Promise<void> {
  expect(chunks.map(({ text }) => text).join('')).toBe(textOf(answerTokens));
  expect(chunks.map(({ sequence }) => sequence)).toEqual(chunks.map((_, index) => index));
  expect(answer.content).toBe(textOf(answerTokens));
  const audience = [asker.identity.evmAddress];
  const { requestDigest } = answer;
  const proven = await verifySignedMessage(answer.parts, { requestDigest, audience });
  const owed = answer.shares.reduce((sum, { totalCost }) => sum + BigInt(totalCost), 0n);
  expect(answer.totalCost).toBe(owed.toString());
  const signed = answer.shares.filter(({ tokens, totalCost }) => tokens > 0 || totalCost !== '0');
  expect(proven.shares.map(({ signer, tokens, totalCost }) => [signer, tokens, totalCost])).toEqual(
    signed.map(({ executor, tokens, totalCost }) => [executor, tokens, totalCost]),
  );
  let before = 0;
  for (const { peerId, tokens, unsignedTokens, totalCost } of answer.shares) {
    const price = tokens === 0 && unsignedTokens > 0 ? 0 : priceOf(questionTokens + before, tokens);
    expect([nameOf(peerId), totalCost]).toEqual([nameOf(peerId), String(price)]);
    before += tokens + unsignedTokens;
  }
  expect(before).toBe(answerTokens);
}

/** Kills the executor that answers at every token in its turn: in the world of one seed, which it leaves as it was. */
export async function killAtEveryToken(
  createNetwork: NetworkFixture['createNetwork'],
  seed: number,
): Promise<string> {
  const world = await createFailoverWorld(createNetwork, { seed });
  for (let atToken = 0; atToken <= answerTokens; atToken++) {
    const first = atToken % 2 === 0 ? 'left' : 'right';
    await askAndKill(world, first, { atToken, isSilent: (seed + atToken) % 3 === 0 });
  }
  await world.network.runFor(30_000);
  for (const node of world.network.nodes.values()) node.expectNothingLeft();
  const hash = world.network.trace.hash();
  await world.network.stop();
  return hash;
}
