import { randomUUID } from 'node:crypto';
import {
  DiscoveryError,
  type Answer,
  type AnswerStream,
  type ChatMessage,
  type LloomBehaviour,
  type LloomEvents,
  type PricingInfo,
} from '@lloom/behaviour';
import { orAbort, systemClock, type RecentMap } from '@lloom/core';
import type { LoopbackExchange } from '@lloom/core/loopback';
import { countChatTokens } from '../backends/tokens.ts';
import {
  completionOf,
  firstChunk,
  lastChunks,
  peerHeader,
  textChunk,
  type AnswerHead,
} from './chatAnswer.ts';
import { readChatRequest, type ChatRequest } from './chatRequest.ts';
import type { GatewayReport, ResolvedGatewayConfig } from './config.ts';
import { GatewayError } from './errors.ts';
import { EventStream } from './eventStream.ts';
import { failureBody, failureContent, failureOf, whereOwed, type Failure } from './failures.ts';
import type { KeptAnswers, ToldAnswer } from './keptAnswers.ts';

/** What of a node requests take. */
export type AskingNode = Pick<LloomBehaviour, 'libp2p' | 'selectExecutor' | 'stream'>;

/** A request that is made again after a failure. */
export type Retry = LloomEvents['request:retrying'];

/** What one request takes. */
export interface ChatTaskPorts {
  readonly node: AskingNode;
  readonly config: ResolvedGatewayConfig;
  /** Who was asked by the keys that callers gave: whoever has run a request does not run it again. */
  readonly askedByKey: RecentMap<string>;
  readonly answers: KeptAnswers;
  /** Who is told when a request is made again, by its name. */
  readonly retries: Map<string, (retry: Retry) => void>;
}

/** For whom somebody is looked for. */
interface Asked {
  readonly model: string;
  readonly maxPrice: string | undefined;
  readonly features: readonly string[];
  readonly timeoutMs: number;
}

/** What is told of a request whose caller left before it was answered, as nginx has it. */
const statusLeft = 499;
const maxReasons = 8;

/** One request for a chat completion, from its body to the last byte of its answer. */
export class ChatTask {
  readonly #ports: ChatTaskPorts;
  readonly #exchange: LoopbackExchange;
  readonly #startedAtMs = systemClock.elapsed();
  readonly #created = Math.floor(systemClock.now() / 1_000);
  #requestId = `req-${randomUUID()}`;
  #request: ChatRequest | undefined;
  /** Gives the request up. */
  readonly #controller = new AbortController();
  #stream: AnswerStream | undefined;
  /** Why it was not waited for any longer. */
  #impatience: unknown;
  #events: EventStream | undefined;

  constructor(ports: ChatTaskPorts, exchange: LoopbackExchange) {
    this.#ports = ports;
    this.#exchange = exchange;
    exchange.signal.addEventListener('abort', () => this.#controller.abort(), { once: true });
  }

  /** Answers, or says why not. Never rejects. */
  async run(): Promise<void> {
    try {
      const request = readChatRequest(this.#exchange, this.#ports.config);
      this.#request = request;
      const known = await this.#known(request);
      if (known === undefined) {
        this.#report({ outcome: 'answered', status: 200 }, await this.#obtain(request));
      } else {
        await this.#repeat(known, request);
        this.#report({ outcome: 'repeated', status: 200 });
      }
    } catch (error) {
      this.refuse(this.#impatience ?? error);
    } finally {
      this.#ports.retries.delete(this.#requestId);
    }
  }

  /** Ends a request that is under way, for this reason. */
  giveUp(reason: unknown): void {
    this.#impatience ??= reason;
    this.#controller.abort();
  }

  /** Says why there is no answer, or no more of it. */
  refuse(error: unknown): void {
    this.#events?.close();
    if (this.#exchange.signal.aborted) return this.#report({ outcome: 'cancelled', status: statusLeft });
    const failure = this.#failureOf(error);
    const outcome = this.#stream === undefined ? 'refused' : 'failed';
    if (this.#events?.hasBegun === true) {
      this.#report({ outcome, status: 200, error });
      // Whoever reads it sees by the missing [DONE] that it is not whole.
      void this.#events.send(failureBody(failure));
      return this.#events.end();
    }
    this.#report({ outcome, status: failure.status, error });
    const content = failureContent(failure);
    this.#exchange.answer({ ...content, headers: { ...content.headers, ...this.#idHeader } });
  }

  #failureOf(error: unknown): Failure {
    const failure = failureOf(error);
    const { shares = [], totalCost = '0', content = '' } = this.#stream?.soFar ?? {};
    if (shares.length === 0) return failure;
    return whereOwed(failure, { shares, totalCost, ...(this.#events?.hasBegun !== true && { content }) });
  }

  /** What was answered to the same request before, or is being answered now. */
  async #known(request: ChatRequest): Promise<ToldAnswer | undefined> {
    for (;;) {
      const running = this.#ports.answers.find(request);
      if (running === undefined) return undefined;
      const answer = await orAbort(running, this.#controller.signal);
      if (answer !== undefined) return answer;
    }
  }

  /** Asks the network. */
  async #obtain(request: ChatRequest): Promise<Answer> {
    const end = this.#ports.answers.begin(request);
    try {
      const stream = await this.#ask(request);
      // A caller who leaves before the last byte of it has paid for it all the same.
      stream.result.then(end, () => undefined);
      return request.stream ? await this.#pass(stream, request) : await this.#give(stream);
    } finally {
      end();
    }
  }

  async #ask(request: ChatRequest): Promise<AnswerStream> {
    const { node, config, askedByKey, retries } = this.#ports;
    const { input, timeoutMs } = request;
    const { idempotencyKey: key } = input;
    const { signal } = this.#controller;
    const peerId = (key !== undefined && askedByKey.get(key)) || (await this.#select(request));
    if (key !== undefined) askedByKey.set(key, peerId);
    const signed = await config.identity.sign(input, { to: peerId });
    // Nobody would read what is asked for from here on.
    signal.throwIfAborted();
    const leftMs = Math.max(1, Math.ceil(timeoutMs - this.#elapsedMs));
    this.#stream = node.stream(
      peerId,
      { type: 'llmRequest', request: signed },
      {
        ...{ signal, timeoutMs: leftMs },
        retry: { maxAttempts: config.attempts, failover: 'resume' },
        ...(config.hedgeMs !== undefined && { hedge: { delayMs: config.hedgeMs } }),
      },
    );
    // From here on the node tells of it under this name.
    this.#requestId = this.#stream.requestId;
    retries.set(this.#requestId, (retry) => this.#noteRetry(retry));
    return this.#stream;
  }

  /** A caller who would have to wait long for the next attempt is told so, as long as nothing was shown. */
  #noteRetry({ delayMs, error }: Retry): void {
    if (delayMs <= this.#ports.config.patienceMs || this.#events?.hasBegun === true) return;
    if (this.#stream?.soFar.content !== '') return;
    this.giveUp(error);
  }

  /** Who is asked first. */
  async #select({ input, features, policy, timeoutMs }: ChatRequest): Promise<string> {
    const { node, config } = this.#ports;
    const { model, messages, maxPrice } = input;
    try {
      const { peerId } = await node.selectExecutor(
        {
          model,
          ...(features.length > 0 && { features }),
          ...(policy !== 'balanced' && { prefer: policy }),
          ...(maxPrice !== undefined && { maxPrice: tokenPrices(BigInt(maxPrice), messages) }),
        },
        { signal: this.#controller.signal, timeoutMs: Math.min(config.searchTimeoutMs, timeoutMs) },
      );
      return peerId;
    } catch (cause) {
      throw this.#nobody(cause, { model, maxPrice, features, timeoutMs });
    }
  }

  /** Why nobody is asked, in words of the gateway. */
  #nobody(cause: unknown, asked: Asked): unknown {
    const { model, timeoutMs } = asked;
    if (DiscoveryError.is(cause, 'INVALID_QUERY') || DiscoveryError.is(cause, 'INVALID_SERVICE')) {
      const { path, got, wanted } = cause.data;
      return new GatewayError('INVALID_REQUEST', { param: path, got, wanted }, { cause });
    }
    const isUnknown = DiscoveryError.is(cause, 'NO_PROVIDERS');
    if (isUnknown && cause.data.confirmed > 0) {
      const reasons = [...new Set(cause.data.rejected.map(({ reason }) => reason))];
      return unsuitable(reasons, asked, cause);
    }
    if (!isUnknown && !DiscoveryError.is(cause, 'QUERY_TIMEOUT')) return cause;
    if (this.#ports.node.libp2p.getPeers().length === 0)
      return new GatewayError('NOT_CONNECTED', { model }, { cause });
    const waitedMs = Math.round(this.#elapsedMs);
    return waitedMs >= timeoutMs
      ? new GatewayError('DEADLINE', { limitMs: timeoutMs }, { cause })
      : new GatewayError('MODEL_NOT_FOUND', { model, waitedMs }, { cause });
  }

  /** The answer in one piece. */
  async #give(stream: AnswerStream): Promise<Answer> {
    const answer = await stream.result;
    this.#complete(answer, { ...this.#idHeader, ...peerHeader(answer) });
    return answer;
  }

  /** The answer as it arrives: what is read here waits for who reads it there. */
  async #pass(stream: AnswerStream, { includeUsage }: ChatRequest): Promise<Answer> {
    const head = this.#head;
    const events = new EventStream(this.#exchange, this.#ports.config, this.#idHeader);
    this.#events = events;
    let first = [firstChunk(head)];
    for await (const { text, peerId } of stream) {
      if (first.length > 0) events.addHeaders({ 'x-lloom-peer-id': peerId });
      await events.send(...first, textChunk(head, text));
      first = [];
    }
    const answer = await stream.result;
    if (first.length > 0) events.addHeaders(peerHeader(answer));
    await events.send(...first, ...lastChunks(head, answer, includeUsage), '[DONE]');
    events.end();
    return answer;
  }

  /** What the same request was answered with before: nobody is asked, and nothing is owed for it. */
  async #repeat(answer: ToldAnswer, { stream, includeUsage }: ChatRequest): Promise<void> {
    const head = this.#head;
    const headers = { ...this.#idHeader, ...peerHeader(answer), 'idempotent-replayed': 'true' };
    if (!stream) return this.#complete(answer, headers);
    const events = new EventStream(this.#exchange, this.#ports.config, headers);
    this.#events = events;
    const text = answer.content === '' ? [] : [textChunk(head, answer.content)];
    await events.send(firstChunk(head), ...text, ...lastChunks(head, answer, includeUsage), '[DONE]');
    events.end();
  }

  #complete(answer: ToldAnswer, headers: Readonly<Record<string, string>>): void {
    const body = JSON.stringify(completionOf(this.#head, answer));
    this.#exchange.answer({ contentType: 'application/json', body, headers });
  }

  get #head(): AnswerHead {
    return { requestId: this.#requestId, created: this.#created, model: this.#request?.input.model ?? '' };
  }

  get #idHeader(): Readonly<Record<string, string>> {
    return { 'x-request-id': this.#requestId };
  }

  get #elapsedMs(): number {
    return systemClock.elapsed() - this.#startedAtMs;
  }

  #report(end: Pick<GatewayReport, 'outcome' | 'status' | 'error'>, answer?: Answer): void {
    const { shares = [], totalCost = '0' } = answer ?? this.#stream?.soFar ?? {};
    this.#ports.config.onRequest({
      requestId: this.#requestId,
      model: this.#request?.input.model ?? '',
      stream: this.#request?.stream ?? false,
      peerIds: shares.map(({ peerId }) => peerId),
      inboundTokens: answer?.inboundTokens ?? 0,
      outboundTokens: answer?.outboundTokens ?? shares.reduce((sum, { tokens }) => sum + tokens, 0),
      totalCost,
      durationMs: Math.round(this.#elapsedMs),
      ...end,
    });
  }
}

/** Why none of those who serve the model is asked. */
function unsuitable(
  reasons: readonly string[],
  { model, maxPrice, features }: Asked,
  cause: unknown,
): GatewayError {
  if (maxPrice !== undefined && reasons.some((reason) => reason.startsWith('PRICE_')))
    return new GatewayError('PRICE_EXCEEDED', { model, maxPrice }, { cause });
  if (reasons.includes('FEATURE_MISSING'))
    return new GatewayError('FEATURE_MISSING', { model, features }, { cause });
  return new GatewayError('NOBODY_SUITS', { model, reasons: reasons.slice(0, maxReasons) }, { cause });
}

/** What a token may cost at most, when the question and one token of an answer shall cost no more than that. */
function tokenPrices(maxPrice: bigint, messages: readonly ChatMessage[]): PricingInfo {
  const inboundTokens = BigInt(Math.max(1, countChatTokens(messages)));
  return { inboundPrice: (maxPrice / inboundTokens).toString(), outboundPrice: maxPrice.toString() };
}
