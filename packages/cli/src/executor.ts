import {
  costOf,
  type AnswerPrefix,
  type FinishReason,
  type LlmRequest,
  type PricingInfo,
} from '@lloom/codec';
import { resolveConfig, type Check } from '@lloom/core';
import { Refusal, type AnswerPiece, type Handler, type HandlerContext } from '@lloom/behaviour';
import { isEnd, type Backend, type BackendEnd } from './backends/backend.ts';
import { BackendError } from './backends/errors.ts';
import { countRequestTokens } from './backends/tokens.ts';

/** What an executor offers. */
export interface ExecutorConfig {
  /** What produces the text. */
  readonly backend: Backend;
  /** Price of every model without one of its own. */
  readonly pricing: PricingInfo;
  /** Price of single models. @default none */
  readonly modelPricing?: Readonly<Record<string, PricingInfo>>;
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
  /** In wei, as a decimal text; `0` unless answered, whatever was signed on the way. */
  readonly totalCost: string;
  readonly durationMs: number;
}

/**
 * What answers a node's requests with a backend: refuses models that it does not serve and prices beyond the client's
 * cap, streams the text, says what it comes to on the way, stops before it would cost too much, and counts. It goes on
 * with what another executor began when the backend can: say so to `serve`. How many requests run at the same time is
 * the node's to say: `packages.rpc.capacity`.
 *
 * @throws {ConfigError} when a price cannot be used
 * @example
 * ```ts
 * const handler = executorHandler({ backend, pricing: { inboundPrice: '1', outboundPrice: '2' } });
 * behaviour.serve(handler, { canContinue: backend.canContinue === true });
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
  onRequest: given,
};
const defaults: Required<ExecutorConfig> = {
  backend: undefined as unknown as Backend,
  pricing: undefined as unknown as PricingInfo,
  modelPricing: {},
  onRequest: () => undefined,
};

// A cap that pays for more tokens than this is not passed on as `maxTokens`, only watched: servers refuse a limit
// that is beyond what their model can do.
const passedOnTokens = 4_096n;

/** What one request asks for, and may use. */
interface Task {
  /** As the backend is asked: what was produced elsewhere is the last message, and counts towards `maxTokens`. */
  readonly request: LlmRequest;
  readonly pricing: PricingInfo;
  readonly inboundTokens: number;
  /** What this executor may ask for, in wei; `undefined` without a cap. */
  readonly maxCost: bigint | undefined;
  /** The most tokens that it pays for; `undefined` without a limit. */
  readonly tokens: bigint | undefined;
}

class Executor {
  readonly #config: Required<ExecutorConfig>;

  constructor(config: Required<ExecutorConfig>) {
    this.#config = config;
  }

  answer(request: LlmRequest, context: HandlerContext): AsyncIterable<AnswerPiece> {
    const report = this.#startReport(request, context);
    const { prefix, signal } = context;
    try {
      const pricing = this.#priceOf(request.model);
      const rest = prefix === undefined ? request : behind(prefix, request);
      if (rest.maxTokens !== undefined && rest.maxTokens <= 0) return nothingLeft(request, report);
      return this.#produce(this.#admit(rest, { pricing, prefix }), { signal, report });
    } catch (error) {
      report({ outcome: 'refused', error });
      throw error;
    }
  }

  /** @throws {Refusal} `MODEL_UNAVAILABLE` */
  #priceOf(model: string): PricingInfo {
    const { backend, pricing, modelPricing } = this.#config;
    const served = backend.models();
    if (!served.includes(model)) {
      throw new Refusal('MODEL_UNAVAILABLE', `this executor serves ${served.slice(0, 20).join(', ')}`);
    }
    return Object.hasOwn(modelPricing, model) ? (modelPricing[model] as PricingInfo) : pricing;
  }

  /** @throws {Refusal} `PRICE_EXCEEDED` */
  #admit(
    request: LlmRequest,
    { pricing, prefix }: { readonly pricing: PricingInfo; readonly prefix: AnswerPrefix | undefined },
  ): Task {
    const inboundTokens = this.#config.backend.inboundTokens?.(request) ?? countRequestTokens(request);
    const task = { request, pricing, inboundTokens };
    if (request.maxPrice === undefined) return { ...task, maxCost: undefined, tokens: undefined };
    const spent = BigInt(prefix?.totalCost ?? 0);
    const maxCost = BigInt(request.maxPrice) - spent;
    const left = maxCost - BigInt(costOf(pricing, { inboundTokens, outboundTokens: 0 }));
    const each = BigInt(pricing.outboundPrice);
    if (left >= each) return { ...task, maxCost, tokens: each === 0n ? undefined : left / each };
    const least = spent + BigInt(costOf(pricing, { inboundTokens, outboundTokens: 1 }));
    throw new Refusal(
      'PRICE_EXCEEDED',
      prefix === undefined
        ? `the question and one token of an answer cost ${least} wei`
        : `with one more token the whole answer costs ${least} wei`,
    );
  }

  async *#produce(
    task: Task,
    run: { readonly signal: AbortSignal; readonly report: Report },
  ): AsyncGenerator<AnswerPiece> {
    const { request, pricing, inboundTokens } = task;
    let outboundTokens = 0;
    let over = false;
    try {
      const limited = within(task);
      let end: BackendEnd = { finishReason: 'stop' };
      for await (const piece of this.#config.backend.generate(limited, { signal: run.signal })) {
        if (isEnd(piece)) {
          end = piece;
          break;
        }
        if (task.tokens !== undefined && BigInt(outboundTokens + piece.tokens) > task.tokens) {
          end = { finishReason: 'price' };
          break;
        }
        outboundTokens += piece.tokens;
        // The signature that this piece may carry covers it, so what it comes to is said before.
        yield { inboundTokens, totalCost: costOf(pricing, { inboundTokens, outboundTokens }) };
        yield piece;
      }
      if (end.finishReason === 'length' && limited.maxTokens !== request.maxTokens) {
        end = { ...end, finishReason: 'price' };
      }
      const totals = totalsOf(task, { end, outboundTokens });
      over = true;
      run.report({ outcome: 'answered', ...totals });
      const { extra } = end;
      yield { ...totals, modelUsed: request.model, ...(extra !== undefined && { extra }) };
    } catch (error) {
      over = true;
      const outcome = run.signal.aborted ? 'cancelled' : 'failed';
      run.report({ outcome, error, inboundTokens, outboundTokens });
      throw BackendError.is(error) ? refusalOf(error) : error;
    } finally {
      if (!over) run.report({ outcome: 'cancelled', inboundTokens, outboundTokens });
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

/**
 * The request for what is missing: the answer so far is its last message. A beginning that the client wrote itself stays
 * the beginning of the same message, unless it is more than text.
 */
function behind(prefix: AnswerPrefix, request: LlmRequest): LlmRequest {
  const { messages, maxTokens } = request;
  const last = messages.at(-1);
  const isBegun = last?.role === 'assistant' && last.extra === undefined;
  const content = isBegun ? last.content + prefix.text : prefix.text;
  return {
    ...request,
    messages: [...(isBegun ? messages.slice(0, -1) : messages), { role: 'assistant', content }],
    ...(maxTokens !== undefined && { maxTokens: maxTokens - prefix.tokens }),
  };
}

/** The end of an answer that is as long as it may be already: nothing was read, so it costs nothing. */
async function* nothingLeft({ model }: LlmRequest, report: Report): AsyncGenerator<AnswerPiece> {
  const totals = { finishReason: 'length', inboundTokens: 0, outboundTokens: 0, totalCost: '0' };
  report({ outcome: 'answered', ...totals });
  yield { ...totals, modelUsed: model };
}

/** The request with a limit that keeps a backend from working on what the cap would not pay for. */
function within({ request, tokens }: Task): LlmRequest {
  if (tokens === undefined || tokens > passedOnTokens) return request;
  return { ...request, maxTokens: Math.min(Number(tokens), request.maxTokens ?? Infinity) };
}

function totalsOf(
  { pricing, inboundTokens: expectedTokens, maxCost }: Task,
  { end, outboundTokens: counted }: { readonly end: BackendEnd; readonly outboundTokens: number },
): Pick<RequestReport, 'inboundTokens' | 'outboundTokens' | 'totalCost'> & {
  readonly finishReason: FinishReason;
} {
  const { inboundTokens = expectedTokens, outboundTokens = counted } = end;
  const cost = BigInt(costOf(pricing, { inboundTokens, outboundTokens }));
  // What a server counts at the end may be more than what was counted on the way: the cap holds all the same.
  const totalCost = (maxCost === undefined || cost < maxCost ? cost : maxCost).toString();
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
  if (BackendError.is(error, 'TOO_LARGE')) {
    return new Refusal('TOO_LARGE', `the answer has ${error.data.got}`, { reason: 'response' });
  }
  return new Refusal('REMOTE', 'the backend failed', { reason: error.code });
}
