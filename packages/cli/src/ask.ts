import { text as readAll } from 'node:stream/consumers';
import type { Answer, Identity, LloomBehaviour, PartialAnswer, RequestId } from '@lloom/behaviour';
import { client as clientPreset } from '@lloom/behaviour/presets';
import type { LlmRequestInput } from '@lloom/codec';
import { countTokens } from './backends/tokens.ts';
import { billOf, partialSummaryOf, summaryOf } from './bill.ts';
import { usageError } from './errors.ts';
import { obtainIdentity } from './identityFile.ts';
import { startNode, type StartedNode } from './node.ts';
import { rankOffers, type Offer } from './offers.ts';
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
  /** How often the question is sent at most, to whomever. */
  readonly attempts: number;
  /** Whether another provider may go on when one fails. */
  readonly failover: boolean;
}

/** How long providers are looked for, in ms, when the whole request may take longer. */
const searchTimeoutMs = 5_000;

/** What is asked, and how. */
export interface Question {
  /** `-`: it stands on stdin. */
  readonly prompt: string;
  readonly options: AskOptions;
}

/**
 * Asks the cheapest provider of a model and shows its answer as it arrives. When that fails another provider goes on
 * where the answer broke off.
 */
export async function askModel(question: Question, session: Session): Promise<void> {
  const { options } = question;
  const prompt = question.prompt === '-' ? await readPrompt() : question.prompt;
  const identity = await obtainIdentity(options, session);
  // The cheapest provider is worth a moment's wait.
  const packages = { discovery: { settleMs: 1_000 } };
  const started = await startNode(identity, options, { session, preset: clientPreset, packages });
  try {
    await converse({ prompt, options }, { node: started.node, identity, session });
  } finally {
    tellTrace(started, session);
    await started.stop();
  }
}

/** Names the trace of the question, where it was traced: also of one that failed. */
function tellTrace({ traces }: StartedNode, { output }: Session): void {
  const traceId = traces?.requestTraceId;
  if (traceId === undefined) return;
  output.event('trace', { traceId });
  output.note(`trace      ${traceId}`);
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
  const offers = rankOffers(found, {
    model: options.model,
    inboundTokens: countTokens(prompt) + countTokens(options.system ?? ''),
    outboundTokens: options.maxTokens ?? 256,
  });
  const [best] = offers;
  if (best === undefined) throw new Error('no provider has a key that a request can be signed for');
  const shown = offers.map(({ peerId, addresses, price }) => ({ peerId, addresses, ...price }));
  session.output.event('providers', { model: options.model, providers: shown });
  session.output.note(
    `Found ${offers.length} provider${offers.length === 1 ? '' : 's'} of ${options.model}.`,
  );
  await ask(best, { prompt, options, offers }, client);
}

function requestOf({ prompt, options }: Question): LlmRequestInput {
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

async function ask(
  best: Offer,
  question: Question & { readonly offers: readonly Offer[] },
  { node, identity, session }: Client,
): Promise<void> {
  const { output, interruption } = session;
  const { options, offers } = question;
  const { peerId, executor, price } = best;
  const signed = await identity.sign(requestOf(question), { to: executor });
  const startedAt = performance.now();
  output.event('asking', { peerId, executor, ...price });
  const retry = { maxAttempts: options.attempts, failover: options.failover ? 'resume' : 'none' } as const;
  const message = { type: 'llmRequest', request: signed } as const;
  const stream = node.stream(peerId, message, { signal: interruption.signal, retry });
  const stopTelling = tellRetries(stream.requestId, node, session);
  const elapsedMs = (): number => Math.round(performance.now() - startedAt);
  let firstTokenMs: number | undefined;
  let producer: string | undefined;
  let answer: Answer;
  try {
    for await (const chunk of stream) {
      firstTokenMs ??= elapsedMs();
      if (producer !== undefined && producer !== chunk.peerId) output.note(`${chunk.peerId} goes on:`);
      producer = chunk.peerId;
      output.text(chunk.text);
      output.event('chunk', chunk);
    }
    answer = await stream.result;
  } catch (error) {
    if (stream.soFar.content !== '') tellPartial(stream.soFar, offers, session);
    throw error;
  } finally {
    stopTelling();
    output.endLine();
  }
  const bill = billOf(answer, offers);
  const times = { firstTokenMs, totalMs: elapsedMs() };
  const { parts: _, ...whole } = answer;
  output.event('answer', { ...whole, shares: bill, ...times });
  for (const line of ['', ...summaryOf(answer, { bill, ...times })]) output.note(line);
}

function tellPartial(partial: PartialAnswer, offers: readonly Offer[], { output }: Session): void {
  const { parts: _, ...shown } = partial;
  const bill = billOf(partial, offers);
  output.endLine();
  output.event('partial', { ...shown, shares: bill });
  for (const line of ['', ...partialSummaryOf(partial, bill)]) output.note(line);
}

/** Tells of attempts that failed and that another one follows; gives what ends that. */
function tellRetries(requestId: RequestId, node: LloomBehaviour, { output }: Session): () => void {
  const controller = new AbortController();
  node.addEventListener(
    'request:retrying',
    ({ detail }) => {
      if (detail.requestId !== requestId) return;
      const { peerId, attempt, delayMs, error } = detail;
      output.event('retrying', { peerId, attempt, delayMs, error });
      const when = delayMs === 0 ? 'now' : `in ${Math.ceil(delayMs / 1_000)} s`;
      output.note(`${error.message}. Trying again ${when}.`);
    },
    { signal: controller.signal },
  );
  return () => controller.abort();
}
