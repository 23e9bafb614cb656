import {
  decodeAnswerChunk,
  decodeAnswerEnd,
  type AnswerPart,
  type AnswerSegment,
  type ChunkFrame,
  type EndFrame,
} from '@lloom/codec';
import type { Signer } from '@lloom/core';
import { cryptoBackend, Identity } from '@lloom/identity';
import { VirtualClock } from '@lloom/simkit';
import { AnswerProof } from '../src/internal/answerProof.ts';
import { AnswerWriter, type AnswerSink, type AnswerWriterConfig } from '../src/internal/answerWriter.ts';
import type { AnswerPiece, RequestId } from '../src/types.ts';
import { watchedClock } from './watchedClock.ts';

export const [client, executor] = [Identity.generate(), Identity.generate()];
/** The request that is answered. */
export const request = await client.sign(
  { model: 'demo-small', prompt: 'Hello', maxPrice: '1000' },
  { to: executor.peerId },
);
// Virtual time does not wait for a module that loads.
await cryptoBackend();

/** What a test changes of an answer. */
export interface AnsweringConfig extends Partial<AnswerWriterConfig> {
  /** How long the client takes to take a message, in ms. @default not at all */
  readonly takeMs?: () => number;
  /** How long a signature takes, in ms. @default not at all */
  readonly signMs?: () => number;
}

/** An answer that is written in virtual time, and all that came of it. */
export class Answering implements AnswerSink {
  readonly clock = new VirtualClock();
  readonly writer: AnswerWriter;
  readonly sent: (ChunkFrame | EndFrame)[] = [];
  /** When each was sent, in ms since the beginning. */
  readonly times: number[] = [];
  /** Timers of the writer that wait. */
  readonly timers = new Set<unknown>();
  /** How often an answer began. */
  begins = 0;
  /** Why nobody waits for the answer any more. */
  closed: Error | undefined;
  readonly #takeMs: (() => number) | undefined;
  #isTaking = false;

  constructor({ takeMs, signMs, ...config }: AnsweringConfig = {}) {
    const { clock } = this;
    this.#takeMs = takeMs;
    const key = executor.signer({}, { clock });
    const signer: Signer = {
      address: key.address,
      sign: async (draft) => {
        const ms = signMs?.() ?? 0;
        if (ms > 0) await this.pause(ms);
        return key.sign(draft);
      },
    };
    this.writer = new AnswerWriter({
      sink: this,
      throwIfClosed: () => {
        if (this.closed !== undefined) throw this.closed;
      },
      maxBytes: 1_000_000,
      signer,
      verifier: client.verifier({}, { clock }),
      request,
      inChunks: true,
      onBegin: () => this.begins++,
      clock: watchedClock(this.clock, this.timers),
      segmentTokens: 32,
      segmentIntervalMs: 1_000,
      ...config,
    });
  }

  send(kind: 'chunk' | 'end', message: Uint8Array): Promise<void> | undefined {
    if (this.#isTaking) throw new Error('the client has not taken what was sent before');
    this.sent.push(kind === 'chunk' ? decodeAnswerChunk(message) : decodeAnswerEnd(message));
    this.times.push(this.clock.elapsed());
    const ms = this.#takeMs?.() ?? 0;
    if (ms === 0) return undefined;
    this.#isTaking = true;
    return this.pause(ms).then(() => {
      this.#isTaking = false;
      return undefined;
    });
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimeout(() => resolve(), ms));
  }

  /** Gives each of the pieces; a number is a pause in ms. */
  async *script(steps: readonly (AnswerPiece | number)[]): AsyncGenerator<AnswerPiece> {
    for (const step of steps) {
      if (typeof step === 'number') await this.pause(step);
      else yield step;
    }
  }

  /** Lets time pass until some work has ended. Rejects as it does. */
  async run<T>(work: Promise<T>): Promise<T> {
    let hasEnded = false;
    const end = (): void => {
      hasEnded = true;
    };
    work.then(end, end);
    await this.clock.runUntil(() => hasEnded, 3_600_000);
    return work;
  }

  /** Streams an answer to its end. */
  stream(steps: readonly (AnswerPiece | number)[]): Promise<void> {
    return this.run(this.writer.pieces(this.script(steps)));
  }

  /** What was signed, in order. */
  get segments(): AnswerSegment[] {
    return this.sent.flatMap(({ segment }) => segment?.payload ?? []);
  }

  /** The texts of the chunks; with a `|` behind those that are signed. */
  get texts(): string[] {
    return this.sent.flatMap((frame) =>
      frame.type === 'chunk' ? `${frame.text}${frame.segment === undefined ? '' : '|'}` : [],
    );
  }

  /** What a client has of the first messages, as evidence. */
  parts(count: number = this.sent.length): AnswerPart[] {
    return this.sent.slice(0, count).map((frame) => {
      const signed = frame.segment && { signed: frame.segment };
      const [text, tokens] = frame.type === 'chunk' ? [frame.text, frame.tokens] : ['', 0];
      return { executor: executor.peerId, text, tokens, ...signed };
    });
  }

  /** A proof that has been given the first chunks. */
  async proof(count: number = this.sent.length): Promise<AnswerProof> {
    const proof = new AnswerProof({
      requestId: 'r-1' as RequestId,
      peerId: executor.peerId,
      request,
      verifier: client.verifier({}, { clock: this.clock }),
      executor: executor.evmAddress,
      verify: true,
    });
    for (const frame of this.sent.slice(0, count)) if (frame.type === 'chunk') await proof.add(frame);
    return proof;
  }
}
