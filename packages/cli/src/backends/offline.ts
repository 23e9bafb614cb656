import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ChatMessage, LlmRequest } from '@lloom/codec';
import type { Backend, BackendChunk, BackendEnd, GenerateConfig } from './backend.ts';
import { countChatTokens, countTokens, splitTokens } from './tokens.ts';

/** How the offline backend answers. */
export interface OfflineConfig {
  /** Names of the models that it pretends to be. */
  readonly models: readonly string[];
  /** Who answers; named in the text. All else of it is computed from the request alone. */
  readonly executorId: string;
  /** How long it waits before each token, in ms. @default 15 - about as fast as a small model */
  readonly paceMs?: number;
}

/**
 * A backend without a model: it computes a text from the request, and says so in its first words. It needs nothing
 * and answers the same request the same way each time, so it serves for demos, tests and trying a network out. What one
 * executor began another one goes on with so that it reads as one text.
 *
 * @example
 * ```ts
 * const backend = offlineBackend({ models: ['demo-small'], executorId: identity.peerId });
 * ```
 */
export function offlineBackend(config: OfflineConfig): Backend {
  const { models, executorId, paceMs = 15 } = config;
  return {
    name: 'offline',
    canContinue: true,
    models: () => models,
    inboundTokens: (request) => countChatTokens(request.messages),
    generate: (request, { signal }) => generate(planAnswer(request, executorId), { signal, paceMs }),
  };
}

interface Plan {
  readonly tokens: readonly string[];
  readonly finishReason: 'stop' | 'length';
}

async function* generate(
  plan: Plan,
  config: GenerateConfig & { readonly paceMs: number },
): AsyncGenerator<BackendChunk | BackendEnd> {
  const { signal, paceMs } = config;
  for (const text of plan.tokens) {
    if (paceMs > 0) await pause(paceMs, undefined, { signal });
    signal.throwIfAborted();
    yield { text, tokens: 1 };
  }
  yield { finishReason: plan.finishReason };
}

function planAnswer(request: LlmRequest, executorId: string): Plan {
  const last = request.messages.at(-1);
  const prefix = last?.role === 'assistant' ? last.content : '';
  const chat = prefix === '' ? request.messages : request.messages.slice(0, -1);
  const rest = behind(prefix, wholeAnswer(request, chat, executorId));
  const stops = (request.stop ?? []).filter((stop) => stop !== '').map((stop) => rest.indexOf(stop));
  const end = Math.min(rest.length, ...stops.filter((index) => index >= 0));
  const tokens = splitTokens(rest.slice(0, end));
  const { maxTokens = Infinity } = request;
  if (tokens.length <= maxTokens) return { tokens, finishReason: 'stop' };
  return { tokens: tokens.slice(0, maxTokens), finishReason: 'length' };
}

/** What is left of an answer: behind its own beginning, else behind as many tokens as another one has produced. */
function behind(prefix: string, whole: string): string {
  if (whole.startsWith(prefix)) return whole.slice(prefix.length);
  return splitTokens(whole).slice(countTokens(prefix)).join('');
}

function wholeAnswer(request: LlmRequest, chat: readonly ChatMessage[], executorId: string): string {
  const question = chat.findLast((message) => message.role === 'user')?.content ?? '';
  const shown = question.length > 120 ? `${Array.from(question).slice(0, 119).join('')}…` : question;
  // Without the executor: whoever goes on behind another one says what that one would have said.
  const seed = createHash('sha256').update(JSON.stringify([request.model, request.seed ?? 0, chat]));
  return [
    'Offline backend: no language model runs here.',
    `Executor …${executorId.slice(-6)} computes this text from your request, the same each time.`,
    `You asked ${request.model}: “${shown.replaceAll(/\s+/g, ' ').trim()}”.`,
    ...shuffle(facts, seed.digest()).slice(0, 4),
  ].join(' ');
}

const facts = [
  'Who serves a model is found in a distributed hash table, under the name of the model.',
  'What a peer offers stands in a descriptor that it signs and that expires.',
  'A request is signed by the key that also names its sender on the network.',
  'An executor refuses a request that was signed for somebody else.',
  'Text is shown as it arrives; it counts once a signature over it is proven.',
  'Prices are in wei per token, one for the question and one for the answer.',
  'A request that an executor has seen before is not run a second time.',
  'A client that goes away stops the work that it asked for.',
];

function shuffle(entries: readonly string[], bytes: Uint8Array): string[] {
  const shuffled = [...entries];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = (bytes[last] ?? 0) % (last + 1);
    [shuffled[last], shuffled[other]] = [shuffled[other] as string, shuffled[last] as string];
  }
  return shuffled;
}
