import { costOf, Refusal, type AnswerPiece, type ChatMessage, type Handler } from '@lloom/behaviour';
import type { Clock } from '@lloom/core';
import type { SimNode } from './simNode.ts';

/** What a request without `maxTokens` is answered with. */
const usualTokens = 20;

/** How many tokens messages are: their words. Clients and executors count alike. */
export function countTokens(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + (content.match(/\S+/gu)?.length ?? 0), 0);
}

/** What an executor is told of each time that it works. */
export interface Execution {
  readonly executor: string;
  /** Who signed the question: keys of one client say nothing of those of others. */
  readonly client: string;
  readonly idempotencyKey: string;
  /** Tokens that others had produced before. */
  readonly prefixTokens: number;
}

/** What its work needs. */
export interface ExecutorPorts {
  readonly clock: Clock;
  readonly onExecution: (execution: Execution) => void;
}

type HandlerArguments = Parameters<Handler>;

/** Answers as an executor of that conduct does: a token at a time, in virtual time, and with an honest bill. */
export function executorHandler(node: SimNode, ports: ExecutorPorts): Handler {
  const { capacity, conduct, models } = node.options;
  const places = new Places(capacity);
  return ({ request }, context) => {
    const { idempotencyKey, model } = request.payload;
    const prefixTokens = context.prefix?.tokens ?? 0;
    ports.onExecution({ executor: node.name, client: request.signer, idempotencyKey, prefixTokens });
    if (conduct === 'refuses' || !models.includes(model)) {
      throw new Refusal('MODEL_UNAVAILABLE', `this executor serves ${models.slice(0, 20).join(', ')}`);
    }
    if (conduct === 'hangs') return new Promise<never>(() => undefined);
    return places.during(context.signal, () =>
      answer(node, ports.clock, [{ type: 'llmRequest', request }, context]),
    );
  };
}

async function* answer(
  node: SimNode,
  clock: Clock,
  [{ request }, { prefix, signal }]: HandlerArguments,
): AsyncGenerator<AnswerPiece> {
  const { thinkMs, tokenMs, conduct } = node.options;
  const { pricing } = node;
  const { messages, maxTokens = usualTokens, maxPrice, model } = request.payload;
  const inboundTokens = countTokens(messages) + (prefix?.tokens ?? 0);
  const costs = (outboundTokens: number): string => costOf(pricing, { inboundTokens, outboundTokens });
  const most = maxPrice === undefined ? undefined : BigInt(maxPrice) - BigInt(prefix?.totalCost ?? 0);
  const isPaidFor = (tokens: number): boolean => most === undefined || BigInt(costs(tokens)) <= most;
  const begin = prefix?.tokens ?? 0;
  const wanted = Math.max(0, maxTokens - begin);
  if (wanted > 0 && !isPaidFor(1)) throw new Refusal('PRICE_EXCEEDED', `one token costs ${costs(1)} wei`);
  await pause(clock, thinkMs, signal);
  let outboundTokens = 0;
  while (outboundTokens < wanted && isPaidFor(outboundTokens + 1)) {
    if (outboundTokens > 0) await pause(clock, tokenMs, signal);
    if (conduct === 'fails' && outboundTokens * 2 >= wanted) throw new Error('the model broke off');
    outboundTokens += 1;
    // The signature that this token may carry covers it, so what it comes to is said before.
    yield { inboundTokens, totalCost: costs(outboundTokens) };
    yield { text: `${begin + outboundTokens} `, tokens: 1 };
  }
  const finishReason = outboundTokens < wanted ? 'price' : 'stop';
  const totalCost = wanted === 0 ? '0' : costs(outboundTokens);
  yield { finishReason, inboundTokens, outboundTokens, totalCost, modelUsed: model };
}

/** Lets time pass; rejects when nobody wants the answer any more. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    if (ms <= 0) return resolve();
    const give = (): void => {
      signal.removeEventListener('abort', refuse);
      resolve();
    };
    const timer = clock.setTimeout(give, ms);
    const refuse = (): void => {
      clock.clearTimeout(timer);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', refuse, { once: true });
  });
}

/** Lets so many work at the same time, and the rest wait in order: whatever the node says it could do. */
class Places {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Gives what `work` does when there is a place for it. */
  async *during<T>(signal: AbortSignal, work: () => AsyncIterable<T>): AsyncGenerator<T> {
    await this.#take(signal);
    try {
      yield* work();
    } finally {
      this.#leave();
    }
  }

  #take(signal: AbortSignal): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free -= 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', give);
        resolve();
      };
      const give = (): void => {
        const place = this.#waiting.indexOf(enter);
        if (place !== -1) this.#waiting.splice(place, 1);
        reject(signal.reason as Error);
      };
      this.#waiting.push(enter);
      signal.addEventListener('abort', give, { once: true });
    });
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
