import { seededRandom } from '@lloom/simkit';
import { expect } from 'vitest';
import type { Identity } from '@lloom/identity';
import {
  Refusal,
  RpcError,
  type CallConfig,
  type CustomProtocol,
  type Handler,
  type Rpc,
} from '../src/index.ts';
import { chooser, type Chooser } from './sessionMutants.ts';
import { kibibyte, mebibyte, pattern } from './sessionProbes.ts';
import { bytesProtocol } from './sessionServices.ts';
import { totals } from './misbehaviour.ts';

/** Time as a story needs it: virtual, or that of the process. */
export interface StoryTime {
  after(ms: number, act: () => void): void;
}

/** Resolves after some time of the story. */
export const pause = (time: StoryTime, ms: number): Promise<void> =>
  new Promise((resolve) => time.after(ms, resolve));

/** Handlers of every kind, and those of them that work. */
export interface Workload {
  /** Handlers that have begun and not ended. */
  readonly working: Set<object>;
  /** How often a handler began. */
  begun: number;
}

const large = pattern(3 * mebibyte);

/** Lets a service answer everything that {@link Asking} asks. */
export async function serveStory(rpc: Rpc, time: StoryTime): Promise<Workload> {
  const workload: Workload = { working: new Set(), begun: 0 };
  const begin = (): object => {
    const token = {};
    workload.begun++;
    workload.working.add(token);
    return token;
  };
  const work = async <T>(act: () => T | Promise<T>): Promise<T> => {
    const token = begin();
    try {
      return await act();
    } finally {
      workload.working.delete(token);
    }
  };
  const aborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  const handlers: Record<string, CustomProtocol<Uint8Array, Uint8Array>['handleRequest']> = {
    '/now/1': (_, bytes) => bytes,
    '/soon/1': (_, bytes) => work(() => Promise.resolve(bytes)),
    '/later/1': (_, bytes) =>
      work(async () => {
        await pause(time, 1 + (bytes[0] ?? 0) * 4);
        return bytes;
      }),
    '/large/1': (_, bytes) =>
      work(() => large.subarray(0, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))),
    '/never/1': (_, bytes, { signal }) => work(() => aborted(signal).then(() => bytes)),
    '/throws/1': () => {
      throw new Error('broken');
    },
    '/refuses/1': () => Promise.reject(new Refusal('RATE_LIMITED', 'slow down', { retryAfterMs: 12.5 })),
  };
  for (const [name, handle] of Object.entries(handlers)) await rpc.addProtocol(bytesProtocol(name, handle));
  rpc.serve(createHandler(workload, { time, begin }));
  return workload;
}

/** How a text is answered; stands in its question. */
interface Wish {
  readonly pieces: number;
  readonly length: number;
  readonly everyMs: number;
}

const textOf = ({ pieces, length }: Wish): string => 't'.repeat(pieces * length);

function createHandler(
  { working }: Workload,
  { time, begin }: { readonly time: StoryTime; readonly begin: () => object },
): Handler {
  return ({ request }, { signal, stream }) => {
    const wish = JSON.parse(request.payload.messages[0]!.content) as Wish;
    if (!stream) return { type: 'llmResponse', response: { content: textOf(wish), ...totals } };
    return (async function* () {
      const token = begin();
      try {
        for (let piece = 0; piece < wish.pieces; piece++) {
          if (wish.everyMs > 0) await pause(time, wish.everyMs);
          signal.throwIfAborted();
          yield 't'.repeat(wish.length);
        }
      } finally {
        working.delete(token);
      }
    })();
  };
}

function expectSame(answer: unknown, expected: unknown): void {
  expect(answer).toBe(expected);
}

/** Who asks, and whom. */
export interface Talkers {
  readonly rpc: Rpc;
  readonly identity: Identity;
  /** Address and peer id of who answers. */
  readonly to: Pick<Identity, 'peerId' | 'evmAddress'>;
}

/** Makes requests of every kind, by chance. */
export class Asking {
  readonly codes = new Map<string, number>();
  asked = 0;
  settled = 0;
  readonly #time: StoryTime;
  readonly #choose: Chooser;
  /** How much faster than usual everything is cancelled, timed out and read. */
  readonly #haste: number;

  constructor(time: StoryTime, { seed, haste = 1 }: { readonly seed: string; readonly haste?: number }) {
    this.#time = time;
    this.#choose = chooser(seededRandom(seed));
    this.#haste = haste;
  }

  /** What else is up to the same chance. */
  get choose(): Chooser {
    return this.#choose;
  }

  /** Makes one request, and takes note of its end. Rejects when its answer is wrong. */
  async ask(talkers: Talkers): Promise<void> {
    this.asked++;
    let code = 'answered';
    try {
      await this.#any(talkers);
    } catch (error) {
      if (!RpcError.is(error)) throw error;
      code = error.code;
    }
    this.settled++;
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  #any(talkers: Talkers): Promise<void> {
    const { pick } = this.#choose;
    const kind = pick([
      'ping',
      'ping',
      'custom',
      'custom',
      'custom',
      'custom',
      'request',
      'stream',
      'stream',
    ] as const);
    const call = this.#call();
    if (kind === 'ping') return this.#ping(talkers, call);
    return kind === 'custom' ? this.#custom(talkers, call) : this.#text(talkers, call, kind === 'stream');
  }

  async #ping({ rpc, to }: Talkers, call: CallConfig): Promise<void> {
    const pong = await rpc.request(to.peerId, { type: 'ping' }, call);
    expectSame(pong.type, 'pong');
  }

  async #custom({ rpc, to }: Talkers, call: CallConfig): Promise<void> {
    const { pick, may, upTo } = this.#choose;
    const name = may(0.5)
      ? '/now/1'
      : pick(['/soon/1', '/later/1', '/large/1', '/never/1', '/throws/1', '/refuses/1', '/none/1']);
    if (name === '/large/1') {
      const size = pick([0, 1_000, 70_000, mebibyte, upTo(3 * mebibyte)]);
      const question = Uint8Array.of(size >>> 24, size >>> 16, size >>> 8, size);
      const bytes = await rpc.callProtocol(to.peerId, bytesProtocol(name), question, call);
      return expectSame(Buffer.compare(bytes, large.subarray(0, size)), 0);
    }
    const size = may(0.9) ? upTo(2_000) : pick([64 * kibibyte, 200_000, mebibyte]);
    const body = pattern(size, upTo(256));
    const bytes = await rpc.callProtocol(to.peerId, bytesProtocol(name), body, call);
    expectSame(Buffer.compare(bytes, body), 0);
  }

  async #text({ rpc, identity, to }: Talkers, call: CallConfig, isStreamed: boolean): Promise<void> {
    const { pick } = this.#choose;
    const wish = { pieces: pick([1, 3, 40]), length: pick([1, 6, 2_000]), everyMs: pick([0, 0, 1, 20]) };
    const readMs = pick([0, 0, 0, 5, 50]) / this.#haste;
    const input = { model: 'demo-small', prompt: JSON.stringify(wish) };
    const request = await identity.sign(input, { to: to.evmAddress });
    const message = { type: 'llmRequest', request } as const;
    if (!isStreamed) {
      const { response } = await rpc.request(to.peerId, message, call);
      return expectSame(response.payload.content, textOf(wish));
    }
    const answer = rpc.stream(to.peerId, message, call);
    let text = '';
    for await (const chunk of answer) {
      text += chunk.text;
      if (readMs > 0) await pause(this.#time, readMs);
    }
    expectSame((await answer.result).content, text);
    expectSame(text, textOf(wish));
  }

  #call(): CallConfig {
    const { may, upTo, pick } = this.#choose;
    const haste = this.#haste;
    const ms = (limit: number): number => 1 + Math.floor(upTo(limit) / haste);
    const controller = new AbortController();
    if (may(0.15)) this.#time.after(ms(pick([20, 1_000])), () => controller.abort());
    return {
      signal: controller.signal,
      timeoutMs: may(0.15) ? ms(pick([50, 2_000])) : Math.floor(20_000 / haste),
      ...(may(0.1) && { firstByteTimeoutMs: ms(2_000) }),
      ...(may(0.1) && { idleTimeoutMs: ms(500) }),
      ...(may(0.05) && { dialTimeoutMs: ms(200) }),
    };
  }
}
