import { seededRandom } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { Refusal, RpcError, type AnswerPiece, type CallConfig, type Handler } from '../src/index.ts';
import { Directory } from './callWorld.ts';
import { question } from './nodes.ts';
import { nodes, pause, wayOf, whole, type SimNode } from './simulation.ts';

const executors = ['a', 'b', 'c'];
/** How many requests a story tells of. */
export const requestCount = 50;
const storyMs = 60_000;
const calmMs = 200_000;
const wordCount = 6;
const words = Array.from({ length: wordCount }, (_, index) => `word${index} `);
const text = words.join('');

/** What an executor does with a request, by chance. */
type Mood = 'answers' | 'is slow' | 'breaks' | 'is silent' | 'is busy' | 'has no model';

function chooser(seed: string) {
  const random = seededRandom(seed);
  const upTo = (limit: number): number => random.float() * limit;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(upTo(list.length))]!;
  return { pick, upTo };
}

/** An executor that is in another mood each time, says the same words as every other one, and asks a wei for each. */
function moody(seed: string, runs: string[]): Handler {
  const { pick, upTo } = chooser(seed);
  return async ({ request }, { stream, signal, prefix, peerId }) => {
    const mood = pick<Mood>([
      'answers',
      'answers',
      'answers',
      'is slow',
      'breaks',
      'breaks',
      'is silent',
      'is busy',
      'has no model',
    ]);
    if (mood === 'is busy') throw new Refusal('BUSY', 'not now', { retryAfterMs: pick([1, 500, 3_000]) });
    if (mood === 'has no model') throw new Refusal('MODEL_UNAVAILABLE', 'no');
    runs.push(`${peerId} ${request.payload.idempotencyKey}`);
    await pause(pick([0, 50, 500]));
    if (mood === 'is silent') await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (mood === 'is slow') await pause(upTo(8_000));
    if (!stream && mood === 'breaks') throw new Error('broken');
    if (!stream) return whole(text);
    return say(prefix === undefined ? 0 : prefix.text.split(' ').length - 1, mood);
  };

  async function* say(from: number, mood: Mood): AsyncGenerator<AnswerPiece> {
    const breaksAt = mood === 'breaks' ? from + Math.floor(upTo(wordCount - from + 1)) : Infinity;
    const everyMs = pick([0, 10, 300]);
    for (let word = from; word < wordCount; word++) {
      await pause(everyMs);
      if (word === breaksAt) throw new Error('broken');
      yield { totalCost: String(word - from + 1) };
      yield { text: words[word]!, tokens: 1 };
    }
    if (breaksAt === wordCount) throw new Error('broken');
  }
}

/** A minute of requests with every way of trying again, while executors fail in every way and connections break. */
export async function callStory(createNetwork: NetworkFixture['createNetwork'], seed: number) {
  const { pick, upTo } = chooser(`calls/${seed}`);
  const { fidelity, carrier } = wayOf(seed);
  const directory = new Directory();
  directory.searchMs = pick([0, 700]);
  const runs: string[] = [];
  const executor = (name: string) => ({
    serve: moody(`${name}/${seed}`, runs),
    canContinue: pick([true, true, false]),
    segmentTokens: pick([1, 3, 100]),
    capacity: pick([2, 128]),
    rejoinTimeoutMs: pick([0, 5_000]),
  });
  const network = await createNetwork<SimNode>({
    nodes: ['asker', ...executors],
    link: { delayMs: pick([1, 20, 80]), jitterMs: pick([0, 20]) },
    seed,
    fidelity,
    createNode: nodes(
      {
        asker: {
          alternatives: directory,
          avoidAfterFailures: pick([0, 2, 5]),
          avoidMs: 5_000,
          maxPendingRequestsPerPeer: pick([2, 100]),
          retryBurst: pick([0, 10, 100]),
        },
        ...Object.fromEntries(executors.map((name) => [name, executor(name)])),
      },
      carrier,
    ),
  });
  const asker = network.node('asker');
  const all = [...network.nodes.values()];
  const identities = executors.map((name) => network.node(name).identity);
  const ids = identities.map(({ peerId }) => peerId);
  [directory.known, directory.hidden] = pick([
    [ids, []],
    [ids.slice(0, 2), ids.slice(2)],
  ]);

  const callOf = (): CallConfig => ({
    timeoutMs: pick([2_000, 20_000, 60_000]),
    ...pick([{}, { firstByteTimeoutMs: 1_500, idleTimeoutMs: 1_500 }]),
    ...pick([{}, {}, {}, { signal: AbortSignal.timeout(1 + Math.floor(upTo(4_000))) }]),
    ...pick([{}, { hedge: { delayMs: pick([0, 300, 1_000]), maxExtra: pick([1, 2]) } }]),
    ...pick([
      {},
      {
        retry: {
          maxAttempts: pick([1, 2, 4]),
          initialDelayMs: pick([0, 200]),
          failover: pick(['resume', 'resume', 'beforeOutput', 'none']),
        },
      },
    ]),
  });
  /** Reads an answer, perhaps not to its end, and checks what was shown. */
  const read = async (peerId: string, message: Awaited<ReturnType<typeof question>>): Promise<void> => {
    const answer = asker.rpc.stream(peerId, message, callOf());
    const [pauseMs, leaveAt] = [pick([0, 0, 40]), pick([Infinity, Infinity, 2])];
    let shown = '';
    let chunks = 0;
    try {
      for await (const chunk of answer) {
        expect(chunk.sequence).toBeGreaterThanOrEqual(chunks++);
        shown += chunk.text;
        expect(text.startsWith(shown)).toBe(true);
        if (chunks === leaveAt) return;
        if (pauseMs > 0) await pause(pauseMs);
      }
      const { content, shares, totalCost, parts } = await answer.result;
      expect([content, shown]).toEqual([text, text]);
      expect(parts.map((part) => part.text).join('')).toBe(text);
      const peers = shares.map((share) => share.peerId);
      expect(new Set(peers).size).toBe(peers.length);
      expect(shares.reduce((sum, share) => sum + BigInt(share.totalCost), 0n).toString()).toBe(totalCost);
      expect(Number(totalCost)).toBeLessThanOrEqual(wordCount);
    } finally {
      // Nothing is owed for words that were not shown.
      expect(answer.soFar.content).toBe(shown);
      expect(Number(answer.soFar.totalCost)).toBeLessThanOrEqual(chunks);
    }
  };
  const outcomes: Promise<string>[] = [];
  const ask = async (): Promise<string> => {
    const identity = pick(identities);
    const { peerId } = identity;
    const message = await question(asker.identity, identity);
    const whatever = async (): Promise<void> => {
      if (pick([true, true, false])) return read(peerId, message);
      const { response } = await asker.rpc.request(peerId, message, callOf());
      expect(response.payload.content).toBe(text);
    };
    return whatever().then(
      () => 'answered',
      (error: unknown) => {
        if (!RpcError.is(error)) throw error;
        return error.code;
      },
    );
  };
  for (let count = 0; count < requestCount; count++) network.at(upTo(storyMs), () => outcomes.push(ask()));
  for (let count = upTo(8); count > 1; count--) {
    const [name, atMs, lastsMs] = [pick(executors), upTo(storyMs), pick([100, 3_000, 20_000])];
    const fault = pick(['breaks', 'breaks', 'held', 'dies']);
    network.at(atMs, () => {
      if (fault === 'breaks') for (const each of asker.node.getConnections()) each.abort(new Error('gone'));
      if (fault === 'held') network.hold('asker', name);
      if (fault === 'dies' && network.nodes.has(name)) network.crash(name);
    });
    if (fault === 'held') network.at(atMs + lastsMs, () => network.release('asker', name));
    if (fault === 'dies')
      network.at(atMs + lastsMs, async () => {
        if (!network.nodes.has(name)) all.push(await network.restart(name));
      });
  }
  await network.runFor(storyMs);
  for (const name of executors) {
    network.release('asker', name);
    if (!network.nodes.has(name)) all.push(await network.restart(name));
  }
  await network.runFor(calmMs);
  const codes = await Promise.all(outcomes);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  expect(codes).toHaveLength(requestCount);
  const hash = network.trace.hash();
  await network.stop();
  for (const { ledger } of all)
    expect([ledger.wrongEnds, ledger.machines.size, ledger.timers.size]).toEqual([[], 0, 0]);
  return { codes, runs, hash };
}

/** Says in which story something went wrong. */
export async function expectCallStory(
  createNetwork: NetworkFixture['createNetwork'],
  seed: number,
): Promise<readonly string[]> {
  try {
    const { codes } = await callStory(createNetwork, seed);
    return codes;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`story ${seed}: ${why}`, { cause: error });
  }
}
