import {
  Identity,
  type Answer,
  type AnswerChunk,
  type AnswerStream,
  type CallConfig,
  type LloomEvents,
} from '@lloom/behaviour';
import type { GatewayNode } from '../../src/index.ts';

type Asked = Parameters<GatewayNode['stream']>[1];
type Selected = Awaited<ReturnType<GatewayNode['selectExecutor']>>;

/** Who answers in tests without a network. */
export const executor = Identity.generate();
export const { peerId } = executor;

/** An answer that a test gives piece by piece; waits for its reader before each. */
export class GivenAnswer implements AnswerStream {
  readonly requestId: AnswerStream['requestId'];
  readonly message: Asked;
  readonly call: CallConfig;
  readonly #result = Promise.withResolvers<Answer>();
  readonly #waiting: { readonly chunk: AnswerChunk; readonly taken: () => void }[] = [];
  #wake = Promise.withResolvers<void>();
  #count = 0;
  #text = '';
  #failure: Error | undefined;
  #isOver = false;
  signedTokens = 0;

  constructor(requestId: string, { message, call }: { readonly message: Asked; readonly call: CallConfig }) {
    this.requestId = requestId as AnswerStream['requestId'];
    this.message = message;
    this.call = call;
    this.#result.promise.catch(() => undefined);
    call.signal?.addEventListener('abort', () => this.fail(new Error('cancelled')));
  }

  get result(): Promise<Answer> {
    return this.#result.promise;
  }

  get soFar(): AnswerStream['soFar'] {
    const tokens = this.signedTokens;
    const totalCost = String(2 * tokens);
    const share = { peerId, executor: executor.evmAddress, tokens, unsignedTokens: 0, totalCost };
    return { content: this.#text, parts: [], shares: tokens === 0 ? [] : [share], totalCost };
  }

  /** Gives some text. Resolves when the next piece is asked for. */
  give(text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#text += text;
    this.#waiting.push({ chunk: { sequence: this.#count++, text, tokens: 1, peerId }, taken: resolve });
    this.#wake.resolve();
    return promise;
  }

  end(about: Partial<Answer> = {}): void {
    this.#isOver = true;
    const { requestId } = this;
    const outboundTokens = this.#count;
    const totalCost = String(3 + 2 * outboundTokens);
    const share = {
      peerId,
      executor: executor.evmAddress,
      tokens: outboundTokens,
      unsignedTokens: 0,
      totalCost,
    };
    this.#result.resolve({
      ...{ requestId, peerId, content: this.#text, parts: [], shares: [share], finishReason: 'stop' },
      ...{ inboundTokens: 3, outboundTokens, totalCost, modelUsed: 'demo', requestDigest: '0x00' },
      ...about,
    });
    this.#wake.resolve();
  }

  fail(error: Error): void {
    this.#isOver = true;
    this.#failure = error;
    this.#result.reject(error);
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AnswerChunk> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.chunk;
        next.taken();
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}

/** A node that finds and asks nobody: a test answers. */
export class GatewayStandIn implements GatewayNode {
  readonly answers: GivenAnswer[] = [];
  readonly selections: Parameters<GatewayNode['selectExecutor']>[] = [];
  peers = 1;
  searches = 0;
  status = 'started';
  select = (): Promise<string> => Promise.resolve(peerId);
  discover: () => Promise<Awaited<ReturnType<GatewayNode['discoverExecutors']>>> = () => Promise.resolve([]);
  /** What each answer does by itself. */
  onAsked: (answer: GivenAnswer) => void = () => undefined;
  readonly #events = new EventTarget();
  readonly #retries = new EventTarget();
  #arrival = Promise.withResolvers<GivenAnswer>();

  get libp2p(): GatewayNode['libp2p'] {
    const getPeers = (): unknown[] => Array(this.peers).fill(peerId);
    const { status } = this;
    const stop = { addEventListener: this.#listen, removeEventListener: this.#forget };
    return { status, getPeers, ...stop } as unknown as GatewayNode['libp2p'];
  }

  /** The next request that is made of it. */
  get asked(): Promise<GivenAnswer> {
    return this.#arrival.promise;
  }

  stop(): void {
    this.status = 'stopped';
    this.#events.dispatchEvent(new Event('stop'));
  }

  readonly addEventListener = ((type: string, listener: (event: Event) => void, options?: object) =>
    this.#retries.addEventListener(type, listener, options)) as GatewayNode['addEventListener'];

  /** Tells that a request is made again after a failure. */
  retrying(detail: LloomEvents['request:retrying']): void {
    this.#retries.dispatchEvent(new CustomEvent('request:retrying', { detail }));
  }

  readonly selectExecutor: GatewayNode['selectExecutor'] = async (...call) => {
    this.selections.push(call);
    return { peerId: await this.select() } as Selected;
  };

  readonly discoverExecutors: GatewayNode['discoverExecutors'] = () => {
    this.searches++;
    return this.discover();
  };

  readonly stream: GatewayNode['stream'] = (to, message, call = {}) => {
    if (to !== peerId) throw new Error('it is asked of somebody else');
    const answer = new GivenAnswer(`request-${this.answers.length}`, { message, call });
    this.answers.push(answer);
    this.#arrival.resolve(answer);
    this.#arrival = Promise.withResolvers();
    this.onAsked(answer);
    return answer;
  };

  readonly #listen = (type: string, listener: () => void): void =>
    this.#events.addEventListener(type, listener);
  readonly #forget = (type: string, listener: () => void): void =>
    this.#events.removeEventListener(type, listener);
}
