import { Identity, LloomBehaviour, type Handler } from '@lloom/behaviour';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lloom, parseLines, Running, type Ending, type JsonLine } from './support/lloom.ts';

const model = 'demo';
let validator: Running;
let address: string;
/** The cheaper one, and the one that goes on. */
let broken: Broken;
let whole: Running;
beforeAll(async () => {
  validator = new Running(['validator', '--json']);
  [address = ''] = (await validator.event('ready'))['addresses'] as string[];
  [broken, whole] = await Promise.all([startBroken(), startWhole()]);
});
afterAll(async () => {
  for (const one of [broken, whole, validator]) await one[Symbol.asyncDispose]();
});

/** So many tokens come before it breaks off: some are signed, see `segmentTokens` of rpc, and some are not. */
const tokensBefore = 40;
const beginning = ' word'.repeat(tokensBefore);
const pricing = { inboundPrice: '1', outboundPrice: '2' };

const breaksOff: Handler = async function* () {
  for (let count = 1; count <= tokensBefore; count++) {
    yield { inboundTokens: 4, totalCost: String(4 + 2 * count) };
    yield { text: ' word', tokens: 1 };
  }
  throw new Error('out of memory');
};

type Broken = { readonly peerId: string } & AsyncDisposable;

/** Who answers first because nobody is cheaper, and does not finish. */
async function startBroken(): Promise<Broken> {
  const node = await LloomBehaviour.create(Identity.generate(), {
    addressPolicy: 'loopback',
    bootstrapPeers: [address],
  });
  node.serve(breaksOff);
  await node.bootstrap();
  const advertised = new Promise((resolve) => node.addEventListener('service:advertised', resolve));
  await node.advertiseService({ kind: 'executor', models: [model], capacity: 4, pricing });
  await advertised;
  return { peerId: node.peerId, [Symbol.asyncDispose]: () => node.stop() };
}

async function startWhole(): Promise<Running> {
  const prices = ['--inbound-price', '10', '--outbound-price', '20'];
  const args = ['executor', '--model', model, ...prices, '--bootstrap', address, '--pace', '0', '--json'];
  const executor = new Running(args);
  await executor.event('advertised');
  return executor;
}

const ask = (...args: readonly string[]): Promise<Ending> =>
  lloom(['client', 'ask', 'What is a DHT?', '--model', model, '--bootstrap', address, ...args]);

const find = (lines: readonly JsonLine[], event: string): JsonLine | undefined =>
  lines.find((line) => line.event === event);

describe('an answer that breaks off', () => {
  test('is completed by another provider, and costs what each has signed', async () => {
    const { peerId } = await whole.event('ready');
    const { code, stdout } = await ask('--json');
    expect(code).toBe(0);
    const lines = parseLines(stdout);
    expect(find(lines, 'asking')).toMatchObject({ peerId: broken.peerId });
    expect(find(lines, 'retrying')).toMatchObject({ error: { code: 'REMOTE' } });
    const chunks = lines.filter((line) => line.event === 'chunk');
    const producers = chunks.map((chunk) => chunk['peerId']);
    expect(producers.slice(0, tokensBefore)).toEqual(Array(tokensBefore).fill(broken.peerId));
    expect([...new Set(producers)]).toEqual([broken.peerId, peerId]);

    const answer = find(lines, 'answer') as JsonLine & { content: string; shares: Record<string, unknown>[] };
    expect(answer.content).toBe(chunks.map((chunk) => chunk['text']).join(''));
    expect(answer.content.startsWith(beginning)).toBe(true);
    const [first, second] = answer.shares;
    expect(first).toMatchObject({ peerId: broken.peerId, tokens: 32, unsignedTokens: 8 });
    expect(first).toMatchObject({ totalCost: '68', expectedCost: '68' });
    const tokens = chunks.length - tokensBefore;
    // It has read the question and what there was of the answer.
    const totalCost = String((4 + tokensBefore) * 10 + tokens * 20);
    expect(second).toMatchObject({ peerId, tokens, unsignedTokens: 0, totalCost, expectedCost: totalCost });
    expect(answer).toMatchObject({ totalCost: String(68 + Number(totalCost)) });
  });

  test('shows people who goes on, and whom they owe what', async () => {
    const { peerId } = await whole.event('ready');
    const { code, stdout, stderr } = await ask();
    expect({ code, beginning: stdout.slice(0, beginning.length) }).toEqual({ code: 0, beginning });
    expect(stderr).toContain('Trying again now.');
    expect(stderr).toContain(`${String(peerId)} goes on:`);
    expect(stderr).toMatch(
      new RegExp(
        `served by  ${broken.peerId}\nsigned by  0x\\w{40}, verified: 32 tokens for 68 wei\n` +
          ` +and gave 8 tokens unsigned, for nothing\n` +
          `served by  ${String(peerId)}\nsigned by  0x\\w{40}, verified: \\d+ tokens for \\d+ wei\n` +
          `tokens     \\d+ in, \\d+ out \\(stop\\)\nprice      \\d+ wei\ntime`,
      ),
    );
  });

  test('stays as it is when nobody may go on, with what is owed for it', async () => {
    const args = ['--no-failover', '--attempts', '1'] as const;
    const people = await ask(...args);
    expect(people).toMatchObject({ code: 1, stdout: `${beginning}\n` });
    expect(people.stderr).toMatch(/not whole[^]*verified: 32 tokens for 68 wei\n.* 8 tokens unsigned/);
    expect(people.stderr).toMatch(/error PARTIAL_ANSWER: .*\n(?:.*\n)*hint: /);

    const programs = parseLines((await ask(...args, '--json')).stdout);
    const share = { peerId: broken.peerId, tokens: 32, unsignedTokens: 8, totalCost: '68' };
    expect(find(programs, 'partial')).toMatchObject({ content: beginning, shares: [share], totalCost: '68' });
    expect(programs.at(-1)).toMatchObject({
      error: { code: 'PARTIAL_ANSWER', data: { tokens: 40, signedTokens: 32, totalCost: '68' } },
    });
    expect(programs.filter((line) => line.event === 'retrying')).toEqual([]);
  });
});
