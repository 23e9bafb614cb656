import { costOf, type FinishReason, type LlmRequest, type PricingInfo } from '@lloom/codec';
import { integer, resolveConfig, type Check } from '@lloom/core';
import { Refusal, type AnswerPiece, type Handler, type HandlerContext } from '@lloom/behaviour';
import { isEnd, type Backend, type BackendEnd } from './backends/backend.ts';
import { BackendError } from './backends/errors.ts';
import { countChatTokens } from './backends/tokens.ts';

/** What an executor offers, and how it works. */
export interface ExecutorConfig {
  /** What produces the text. */
  readonly backend: Backend;
  /** Price of every model without one of its own. */
  readonly pricing: PricingInfo;
  /** Price of single models. @default none */
  readonly modelPricing?: Readonly<Record<string, PricingInfo>>;
  /** How many requests it works on at the same time; more are refused as `BUSY`. @default 4 */
  readonly capacity?: number;
  /** When a client that was refused as `BUSY` may come back, in ms. @default 1_000 */
  readonly retryAfterMs?: number;
  /** Told of each request, once, when it is over. What it throws is lost. @default nobody */
  readonly onRequest?: (report: RequestReport) => void;
}

/** What became of one request. */
export interface RequestReport {
  readonly requestId: string;
  /** Who asked. */
  readonly peerId: string;
  readonly model: string;
  /** `cancelled`: the client left or its time was over. */
  readonly outcome: 'answered' | 'refused' | 'failed' | 'cancelled';
  /** Why it was refused or failed. */
  readonly error?: unknown;
  /** Absent unless answered. */
  readonly finishReason?: FinishReason;
  readonly inboundTokens: number;
  readonly outboundTokens: number;
  /** In wei, as a decimal text; `0` unless answered. */
  readonly totalCost: string;
  readonly durationMs: number;
}

/**
 * What answers a node's requests with a backend: refuses models that it does not serve, prices beyond the client's
 * cap and more requests than there is capacity, streams the text, stops before it would cost too much, and counts.
 *
 * @throws {ConfigError} when a price or the capacity cannot be used
 * @example
 * ```ts
 * behaviour.serve(executorHandler({ backend, pricing: { inboundPrice: '1', outboundPrice: '2' } }));
 * ```
 */
export function executorHandler(config: ExecutorConfig): Handler {
  const executor = new Executor(resolveConfig('executor', { checks, defaults }, config));
  return ({ request }, context) => executor.answer(request.payload, context);
}

const price: Check = (value) => {
  const wei = /^\d{1,78}$/;
  const { inboundPrice, outboundPrice } = (value ?? {}) as Partial<PricingInfo>;
  const fits = wei.test(inboundPrice ?? '') && wei.test(outboundPrice ?? '');
  return fits ? undefined : '{ inboundPrice, outboundPrice } in wei per token, as decimal texts';
};
const prices: Check = (value) =>
  Object.values(value as object)
    .map(price)
    .find((wanted) => wanted !== undefined);
const given: Check = () => undefined;

const checks = {
  backend: (value: unknown) => (typeof value === 'object' && value !== null ? undefined : 'a backend'),
  pricing: price,
  modelPricing: prices,
  capacity: integer(1, 100_000),
  retryAfterMs: integer(0, 3_600_000),
  onRequest: given,
};
const defaults: Required<ExecutorConfig> = {
  backend: undefined as unknown as Backend,
  pricing: undefined as unknown as PricingInfo,
  modelPricing: {},
  capacity: 4,
  retryAfterMs: 1_000,
  onRequest: () => undefined,
};

// A cap that pays for more tokens than this is not passed on as `maxTokens`, only watched: servers refuse a limit
// that is beyond what their model can do.
const passedOnTokens = 4_096n;

/** What one request may use. */
interface Allowance {
  readonly pricing: PricingInfo;
  readonly inboundTokens: number;
  /** The most tokens that the cap pays for; `undefined` without a cap. */
  readonly tokens: bigint | undefined;
}

class Executor {
  readonly #config: Required<ExecutorConfig>;
  #busy = 0;

  constructor(config: Required<ExecutorConfig>) {
    this.#config = config;
  }

  answer(request: LlmRequest, context: HandlerContext): AsyncIterable<AnswerPiece> {
    const report = this.#startReport(request, context);
    try {
      const allowance = this.#admit(request);
      const release = this.#takeSlot(context.signal);
      return this.#produce({ request, allowance }, { signal: context.signal, release, report });
    } catch (error) {
      report({ outcome: 'refused', error });
      throw error;
    }
  }

  /** @throws {Refusal} `MODEL_UNAVAILABLE`, `PRICE_EXCEEDED` */
  #admit(request: LlmRequest): Allowance {
    const { backend, pricing: usual, modelPricing } = this.#config;
    const served = backend.models();
    if (!served.includes(request.model)) {
      throw new Refusal('MODEL_UNAVAILABLE', `this executor serves ${served.slice(0, 20).join(', ')}`);
    }
    const pricing = Object.hasOwn(modelPricing, request.model)
      ? (modelPricing[request.model] as PricingInfo)
      : usual;
    const inboundTokens = backend.inboundTokens?.(request) ?? countChatTokens(request.messages);
    if (request.maxPrice === undefined) return { pricing, inboundTokens, tokens: undefined };
    const left = BigInt(request.maxPrice) - BigInt(costOf(pricing, { inboundTokens, outboundTokens: 0 }));
    const each = BigInt(pricing.outboundPrice);
    if (left < each) {
      const least = costOf(pricing, { inboundTokens, outboundTokens: 1 });
      throw new Refusal('PRICE_EXCEEDED', `the question and one token of an answer cost ${least} wei`);
    }
    return { pricing, inboundTokens, tokens: each === 0n ? undefined : left / each };
  }

  /** @throws {Refusal} `BUSY` */
  #takeSlot(signal: AbortSignal): () => void {
    const { capacity, retryAfterMs } = this.#config;
    if (this.#busy >= capacity) {
      throw new Refusal('BUSY', `all ${capacity} slots are taken`, { retryAfterMs, queueDepth: 0 });
    }
    this.#busy++;
    let taken = true;
    const release = (): void => {
      if (taken) this.#busy--;
      taken = false;
    };
    // When the client leaves before the first piece is asked for, the generator never runs.
    signal.addEventListener('abort', release, { once: true });
    return release;
  }

  async *#produce(
    work: { readonly request: LlmRequest; readonly allowance: Allowance },
    run: { readonly signal: AbortSignal; readonly release: () => void; readonly report: Report },
  ): AsyncGenerator<AnswerPiece> {
    const { request, allowance } = work;
    let outboundTokens = 0;
    let over = false;
    run.signal.removeEventListener('abort', run.release);
    try {
      const limited = within(request, allowance);
      let end: BackendEnd = { finishReason: 'stop' };
      for await (const piece of this.#config.backend.generate(limited, { signal: run.signal })) {
        if (isEnd(piece)) {
          end = piece;
          break;
        }
        if (allowance.tokens !== undefined && BigInt(outboundTokens + piece.tokens) > allowance.tokens) {
          end = { finishReason: 'price' };
          break;
        }
        outboundTokens += piece.tokens;
        yield piece;
      }
      if (end.finishReason === 'length' && limited.maxTokens !== request.maxTokens) {
        end = { ...end, finishReason: 'price' };
      }
      const totals = totalsOf(work, { end, outboundTokens });
      over = true;
      run.report({ outcome: 'answered', ...totals });
      yield { ...totals, modelUsed: request.model };
    } catch (error) {
      over = true;
      const outcome = run.signal.aborted ? 'cancelled' : 'failed';
      run.report({ outcome, error, inboundTokens: allowance.inboundTokens, outboundTokens });
      throw BackendError.is(error) ? refusalOf(error) : error;
    } finally {
      if (!over) run.report({ outcome: 'cancelled', inboundTokens: allowance.inboundTokens, outboundTokens });
      run.release();
    }
  }

  #startReport({ model }: LlmRequest, { peerId, channel }: HandlerContext): Report {
    const startedAt = performance.now();
    const zero = { inboundTokens: 0, outboundTokens: 0, totalCost: '0' };
    return (result) => {
      const durationMs = Math.round(performance.now() - startedAt);
      try {
        this.#config.onRequest({
          ...zero,
          ...result,
          requestId: channel.requestId,
          peerId,
          model,
          durationMs,
        });
      } catch {
        // Whoever watches must not disturb the answer.
      }
    };
  }
}

type Report = (
  result: Pick<RequestReport, 'outcome'> &
    Partial<Omit<RequestReport, 'requestId' | 'peerId' | 'model' | 'durationMs'>>,
) => void;

/** The request with a limit that keeps a backend from working on what the cap would not pay for. */
function within(request: LlmRequest, { tokens }: Allowance): LlmRequest {
  if (tokens === undefined || tokens > passedOnTokens) return request;
  return { ...request, maxTokens: Math.min(Number(tokens), request.maxTokens ?? Infinity) };
}

function totalsOf(
  { request, allowance }: { readonly request: LlmRequest; readonly allowance: Allowance },
  { end, outboundTokens: counted }: { readonly end: BackendEnd; readonly outboundTokens: number },
): Pick<RequestReport, 'inboundTokens' | 'outboundTokens' | 'totalCost'> & {
  readonly finishReason: FinishReason;
} {
  const { pricing } = allowance;
  const { inboundTokens = allowance.inboundTokens, outboundTokens = counted } = end;
  const cost = BigInt(costOf(pricing, { inboundTokens, outboundTokens }));
  // What a server counts at the end may be more than what was counted on the way: the cap holds all the same.
  const cap = request.maxPrice === undefined ? cost : BigInt(request.maxPrice);
  const totalCost = (cost < cap ? cost : cap).toString();
  return { finishReason: end.finishReason, inboundTokens, outboundTokens, totalCost };
}

/** What the client is told: nothing about the server behind the executor. */
function refusalOf(error: BackendError): Refusal {
  if (BackendError.is(error, 'BUSY')) {
    const { retryAfterMs } = error.data;
    return new Refusal(
      'BUSY',
      'the backend has no room now',
      retryAfterMs === undefined ? {} : { retryAfterMs },
    );
  }
  if (BackendError.is(error, 'MODEL_UNKNOWN')) {
    return new Refusal('MODEL_UNAVAILABLE', 'the backend does not have the model');
  }
  return new Refusal('REMOTE', 'the backend failed', { reason: error.code });
}
