import { text as readAll } from 'node:stream/consumers';
import {
  evmAddressOf,
  type Answer,
  type EvmAddress,
  type Identity,
  type LloomBehaviour,
  type Provider,
} from '@lloom/behaviour';
import { costOf, type LlmRequestInput, type PricingInfo } from '@lloom/codec';
import { isCodedError } from '@lloom/core';
import { countTokens } from './backends/tokens.ts';
import { usageError } from './errors.ts';
import { obtainIdentity } from './identityFile.ts';
import { startNode } from './node.ts';
import type { NodeOptions } from './options.ts';
import type { Session } from './session.ts';

/** What `lloom client ask` takes. */
export interface AskOptions extends NodeOptions {
  readonly model: string;
  readonly maxPrice?: string;
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
}

/** How long providers are looked for, in ms, when the whole request may take longer. */
const searchTimeoutMs = 5_000;

/** What is asked, and how. */
export interface Question {
  /** `-`: it stands on stdin. */
  readonly prompt: string;
  readonly options: AskOptions;
}

/** Asks the cheapest provider of a model and shows its answer as it arrives. */
export async function askModel(question: Question, session: Session): Promise<void> {
  const { options } = question;
  const prompt = question.prompt === '-' ? await readPrompt() : question.prompt;
  const identity = await obtainIdentity(options, session);
  // A client that only asks need not be reachable. The cheapest provider is worth a moment's wait.
  const nodeOptions = { ...options, listen: options.listen ?? [] };
  const node = await startNode(identity, nodeOptions, { discovery: { settleMs: 1_000 } });
  try {
    await converse({ prompt, options }, { node, identity, session });
  } finally {
    await node.stop();
  }
}

async function readPrompt(): Promise<string> {
  const prompt = process.stdin.isTTY ? '' : await readAll(process.stdin);
  if (prompt.trim() === '')
    throw usageError('There is no question on stdin', 'Write: echo "Hello" | lloom client ask - …');
  return prompt;
}

interface Client {
  readonly node: LloomBehaviour;
  readonly identity: Identity;
  readonly session: Session;
}

async function converse({ prompt, options }: Question, client: Client): Promise<void> {
  const { node, session } = client;
  const { signal } = session.interruption;
  const timeoutMs = Math.min(searchTimeoutMs, options.timeout);
  await node.bootstrap({ signal });
  const found = await node.requireModelProviders(options.model, { signal, timeoutMs });
  const offers = rank(found, { prompt, options });
  if (offers.length === 0) throw new Error('no provider has a key that a request can be signed for');
  const shown = offers.map(({ peerId, addresses, price }) => ({ peerId, addresses, ...price }));
  session.output.event('providers', { model: options.model, providers: shown });
  session.output.note(
    `Found ${offers.length} provider${offers.length === 1 ? '' : 's'} of ${options.model}.`,
  );
  for (const [index, offer] of offers.entries()) {
    try {
      return await ask(offer, requestOf(prompt, options), client);
    } catch (error) {
      const isLast = index === offers.length - 1;
      if (isLast || signal.aborted || !notRun.some((code) => isCodedError(error, 'RpcError', code)))
        throw error;
      session.output.note(`${(error as Error).message}. Asking the next one.`);
    }
  }
}

/** With these the peer has done nothing, and another one may. */
const notRun = [
  'DIAL_FAILED',
  'DIAL_TIMEOUT',
  'UNSUPPORTED_PROTOCOL',
  'NO_HANDLER',
  'BUSY',
  'RATE_LIMITED',
  'MODEL_UNAVAILABLE',
];

interface Offer {
  readonly peerId: string;
  /** The address that its peer id stands for: what is signed for it names this. */
  readonly executor: EvmAddress;
  readonly addresses: readonly string[];
  /** Absent when the provider does not say. */
  readonly price?: PricingInfo;
}

/** The cheapest first; who names no price comes last. A peer whose key has no address cannot be signed for. */
function rank(providers: readonly Provider[], { prompt, options }: Question): Offer[] {
  const inboundTokens = countTokens(prompt) + countTokens(options.system ?? '');
  const usage = { inboundTokens, outboundTokens: options.maxTokens ?? 256 };
  return providers
    .flatMap(({ peerId, addresses, info }) => {
      const executor = evmAddressOf(peerId);
      if (executor === undefined) return [];
      const price =
        info.kind === 'executor' ? (info.modelPricing?.[options.model] ?? info.pricing) : undefined;
      const expected = price === undefined ? undefined : BigInt(costOf(price, usage));
      return [{ expected, offer: { peerId, executor, addresses, ...(price && { price }) } }];
    })
    .toSorted((a, b) => compare(a.expected, b.expected) || (a.offer.peerId < b.offer.peerId ? -1 : 1))
    .map(({ offer }) => offer);
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  return b === undefined || a < b ? -1 : 1;
}

function requestOf(prompt: string, options: AskOptions): LlmRequestInput {
  const { model, system, maxTokens, maxPrice, temperature, seed, stop } = options;
  return {
    model,
    prompt,
    ...(system !== undefined && { systemPrompt: system }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(maxPrice !== undefined && { maxPrice }),
    ...(temperature !== undefined && { temperature }),
    ...(seed !== undefined && { seed }),
    ...(stop !== undefined && { stop }),
  };
}

async function ask(offer: Offer, request: LlmRequestInput, client: Client): Promise<void> {
  const { node, identity, session } = client;
  const { output, interruption } = session;
  const { executor } = offer;
  const signed = await identity.sign(request, { to: executor });
  const startedAt = performance.now();
  output.event('asking', { peerId: offer.peerId, executor, ...offer.price });
  const stream = node.stream(
    offer.peerId,
    { type: 'llmRequest', request: signed },
    { signal: interruption.signal },
  );
  let firstTokenMs: number | undefined;
  for await (const chunk of stream) {
    firstTokenMs ??= Math.round(performance.now() - startedAt);
    output.text(chunk.text);
    output.event('chunk', chunk);
  }
  const answer = await stream.result;
  output.endLine();
  const expected = offer.price === undefined ? undefined : costOf(offer.price, answer);
  const times = { firstTokenMs, totalMs: Math.round(performance.now() - startedAt) };
  const { parts: _, ...whole } = answer;
  output.event('answer', { ...whole, executor, expectedCost: expected, ...times });
  for (const line of summary(answer, { executor, expected, ...times })) output.note(line);
}

function summary(
  answer: Answer,
  about: {
    readonly executor: string;
    /** What the answer comes to by the prices that were offered. */
    readonly expected: string | undefined;
    readonly firstTokenMs: number | undefined;
    readonly totalMs: number;
  },
): string[] {
  const { inboundTokens, outboundTokens, totalCost, peerId, finishReason } = answer;
  const isMore = about.expected !== undefined && BigInt(totalCost) > BigInt(about.expected);
  return [
    '',
    `served by  ${peerId}`,
    `signed by  ${about.executor}, verified`,
    `tokens     ${inboundTokens} in, ${outboundTokens} out (${finishReason})`,
    `price      ${totalCost} wei${isMore ? `, more than its offer comes to: ${about.expected} wei` : ''}`,
    `time       first token ${about.firstTokenMs ?? '-'} ms, whole answer ${about.totalMs} ms`,
  ];
}
