import {
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodePayload,
  type AnswerSegment,
  type ChunkFrame,
  type LlmRequest,
  type PayloadTypes,
  type SignedMessage,
} from '@lloom/codec';
import type { Clock, EnvelopeDraft, Hex, Signer, Verifier } from '@lloom/core';
import type { AnswerTotals } from '../types.ts';
import { digestOfNothing, TextDigest } from './textDigest.ts';

/** What others have said of an answer before. */
export interface AnswerBeginning {
  readonly text: string;
  /** keccak-256 of it. */
  readonly digest: Hex;
}

/** Text of one chunk, in UTF-16 units: small enough to share a connection fairly. */
const maxChunkLength = 16 * 1024;
const ignore = (): void => undefined;

/** What signing an answer takes. */
export interface SigningPorts {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly request: SignedMessage<LlmRequest>;
  /** keccak-256 of the request's payload bytes. */
  readonly requestDigest: Hex;
}

/** How an answer in chunks is made. */
export interface AnswerChunksConfig extends SigningPorts {
  /** Sends one message; a promise when the next must wait. */
  readonly send: (kind: 'chunk' | 'end', message: Uint8Array) => Promise<void> | undefined;
  /** Throws when nobody waits for the answer any more. */
  readonly throwIfClosed: () => void;
  /** Throws when so many bytes more do not get through. Asked before text is taken. */
  readonly checkRoom: ((bytes: number) => void) | undefined;
  /** What stands before the first text. @default nothing */
  readonly beginning?: AnswerBeginning | undefined;
  /** Whether it is signed on the way, or only at its end. */
  readonly isSegmented: boolean;
  /** So many tokens without a signature are signed with their last chunk. */
  readonly segmentTokens: number;
  /**
   * What is not signed when the last signature is so old, in ms, is signed then: with the chunk that comes, or by
   * itself. Before the first signature it counts from the first text.
   */
  readonly segmentIntervalMs: number;
  readonly clock: Clock;
}

/**
 * An answer that is sent in chunks and signed on the way. A chunk that carries a signature waits for it, and all behind
 * it wait, too: no text comes between a digest and its chunk.
 */
export class AnswerChunks {
  readonly tally: Tally;
  readonly #config: AnswerChunksConfig;
  readonly #digest: TextDigest;
  readonly #signAlone = (): void => {
    this.#timer = undefined;
    this.#alone = this.#sendAlone();
    // Whoever adds text next finds what went wrong.
    this.#alone.catch(ignore);
  };
  #timer: unknown;
  /** A segment that goes out by itself, until it has. */
  #alone: Promise<void> | undefined;
  /** What the peer has to take, or has taken, of the last chunk. */
  #sending: Promise<void> | undefined;
  /** The first half of a character in which the last piece ended. */
  #half = '';
  /** Tokens that stand on no chunk yet. */
  #untold = 0;
  #sequence = 0;
  #segments = 0;
  #signedTokens = 0;
  #signedCost: string | undefined;
  #signedAtMs: number | undefined;
  #hasUnsignedText = false;

  constructor(config: AnswerChunksConfig) {
    const { verifier, request, beginning } = config;
    this.#config = config;
    this.tally = new Tally(request.payload.model);
    this.#digest = new TextDigest(verifier, beginning?.text);
  }

  /** Sends some more text, which is `tokens` tokens. A promise when the next must wait. */
  add(text: string, tokens: number): Promise<void> | undefined {
    return this.#alone === undefined ? this.#take(text, tokens) : this.#takeLater(text, tokens);
  }

  /**
   * Sends the end, which signs what is left, and that nothing follows.
   * @throws {Refusal} `RELAY_LIMIT` when what the answer has beyond its text does not get through: nothing is signed then
   */
  async end(): Promise<void> {
    if (this.#alone !== undefined) await this.#alone;
    const segment = await this.#sign(true);
    this.#config.throwIfClosed();
    const sending = this.#config.send('end', encodeAnswerEnd({ type: 'end', segment }));
    if (sending !== undefined) await sending;
  }

  /** Signs what has been sent and is not signed: no more of it will be. */
  async seal(): Promise<void> {
    if (this.#alone !== undefined) await this.#alone;
    if (this.#hasUnsignedText) await this.#sendSigned('');
  }

  /** Signs nothing more by itself. */
  close(): void {
    if (this.#timer !== undefined) this.#config.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #takeLater(text: string, tokens: number): Promise<void> {
    await this.#alone;
    this.#config.throwIfClosed();
    const sending = this.#take(text, tokens);
    if (sending !== undefined) await sending;
  }

  #take(added: string, tokens: number): Promise<void> | undefined {
    this.#config.checkRoom?.(Buffer.byteLength(added));
    this.tally.tokens += tokens;
    this.#untold += tokens;
    const text = this.#half + added;
    this.#half = '';
    const isOneChunk = text.length <= maxChunkLength && !endsInHalf(text);
    return isOneChunk ? this.#sendLast(text) : this.#sendParts(text);
  }

  /** Cuts text into chunks, never through a character: a half one waits for the rest. */
  async #sendParts(text: string): Promise<void> {
    let rest = withoutHalf(text);
    this.#half = text.slice(rest.length);
    while (rest.length > maxChunkLength) {
      const part = withoutHalf(rest.slice(0, maxChunkLength));
      rest = rest.slice(part.length);
      this.#cover(part);
      const sending = this.#sendUnsigned(part);
      if (sending !== undefined) await sending;
      if (this.#alone !== undefined) await this.#alone;
      this.#config.throwIfClosed();
    }
    const sending = this.#sendLast(rest);
    if (sending !== undefined) await sending;
  }

  /** Sends what is left of a piece, signed when it is time. */
  #sendLast(text: string): Promise<void> | undefined {
    this.#cover(text);
    const graceMs = this.#graceMs();
    if (graceMs !== undefined) {
      if (graceMs <= 0) return this.#sendSigned(text);
      this.#timer = this.#config.clock.setTimeout(this.#signAlone, graceMs);
    }
    return text === '' ? undefined : this.#sendUnsigned(text);
  }

  #sendUnsigned(text: string): Promise<void> | undefined {
    return this.#send({ type: 'chunk', sequence: this.#sequence++, text, tokens: this.#tell() });
  }

  async #sendSigned(text: string): Promise<void> {
    const tokens = this.#tell();
    const segment = await this.#sign(false);
    // One that goes out by itself may find the chunk before it still under way.
    if (this.#sending !== undefined) await this.#sending;
    this.#config.throwIfClosed();
    const sending = this.#send({ type: 'chunk', sequence: this.#sequence++, text, tokens, segment });
    if (sending !== undefined) await sending;
  }

  async #sendAlone(): Promise<void> {
    await this.#sendSigned('');
    this.#alone = undefined;
  }

  #send(chunk: ChunkFrame): Promise<void> | undefined {
    return (this.#sending = this.#config.send('chunk', encodeAnswerChunk(chunk)));
  }

  #cover(text: string): void {
    if (text === '') return;
    this.#digest.add(text);
    this.#hasUnsignedText = true;
  }

  #tell(): number {
    const tokens = this.#untold;
    this.#untold = 0;
    return tokens;
  }

  /** How long what is not signed may stay so, in ms; `undefined` when nothing is, or a timer sees to it. */
  #graceMs(): number | undefined {
    const { isSegmented, segmentTokens, segmentIntervalMs, clock } = this.#config;
    if (!isSegmented) return undefined;
    const tokens = this.tally.tokens - this.#signedTokens;
    if (tokens >= segmentTokens) return 0;
    if (this.#timer !== undefined || (tokens === 0 && !this.#hasUnsignedText)) return undefined;
    if (this.#signedAtMs === undefined) return segmentIntervalMs;
    return this.#signedAtMs + segmentIntervalMs - clock.elapsed();
  }

  /** Signs all text so far. What is to be signed is fixed before this returns. */
  async #sign(isLast: boolean): Promise<SignedMessage<AnswerSegment>> {
    const { signer, request, checkRoom } = this.#config;
    const payload = this.#segment(isLast);
    const draft = draftOf('AnswerSegment', payload, request);
    // Room for a signature is kept; an end may hold much beside it.
    if (payload.extra !== undefined) checkRoom?.(draft.payloadBytes.length);
    this.#note(payload);
    const envelope = await signer.sign(draft);
    return { ...envelope, payload } as SignedMessage<AnswerSegment>;
  }

  #segment(isLast: boolean): AnswerSegment {
    const { requestDigest, beginning } = this.#config;
    const { finishReason, extra, inboundTokens, modelUsed, ...said } = this.tally.usage(this.#signedTokens);
    const outboundTokens = isLast ? said.outboundTokens : this.tally.tokens;
    return {
      requestDigest,
      index: this.#segments,
      prefixDigest: beginning?.digest ?? digestOfNothing,
      runningDigest: this.#digest.digest(),
      tokens: outboundTokens - this.#signedTokens,
      inboundTokens,
      outboundTokens,
      totalCost: higher(this.#signedCost, said.totalCost),
      modelUsed,
      ...(isLast && { finishReason, ...(extra !== undefined && { extra }) }),
    };
  }

  /** What is signed is not signed again. */
  #note({ outboundTokens, totalCost }: AnswerSegment): void {
    this.close();
    this.#signedAtMs = this.#config.clock.elapsed();
    this.#segments++;
    this.#signedTokens = outboundTokens;
    this.#signedCost = totalCost;
    this.#hasUnsignedText = false;
  }
}

/** What an answer comes to so far. */
export class Tally {
  /** Of all pieces. */
  tokens = 0;
  readonly #model: string;
  #said: AnswerTotals = {};
  /** How many tokens more than the pieces the handler counts. */
  #difference = 0;

  constructor(model: string) {
    this.#model = model;
  }

  /** Takes what the handler says of everything so far; what it leaves out stays as it was. */
  say(totals: AnswerTotals): void {
    this.#said = { ...this.#said, ...totals };
    if (totals.outboundTokens !== undefined) this.#difference = totals.outboundTokens - this.tokens;
  }

  /** What it comes to. The handler's count of tokens holds unless more are signed already. */
  usage(signedTokens: number): Totals {
    const { finishReason = 'stop', inboundTokens = 0, totalCost = '0', modelUsed = this.#model } = this.#said;
    const { extra } = this.#said;
    const counted = this.tokens + this.#difference;
    const outboundTokens = counted < signedTokens ? this.tokens : counted;
    const counts = { inboundTokens, outboundTokens, totalCost };
    return { finishReason, ...counts, modelUsed, ...(extra !== undefined && { extra }) };
  }
}

/** What an answer comes to, with everything filled in. */
type Totals = Required<Omit<AnswerTotals, 'extra'>> & Pick<AnswerTotals, 'extra'>;

/** For how long what is signed of an answer can be proven, in ms. Later it is of no use to who asks again. */
export const answerTtlMs = 300_000;

/** What is signed in answer to a request. */
export function draftOf<K extends 'AnswerSegment' | 'LlmResponse'>(
  type: K,
  payload: PayloadTypes[K],
  request: SignedMessage,
): EnvelopeDraft {
  const payloadBytes = encodePayload(type, payload);
  const { requestDigest: inReplyTo } = payload;
  return { payloadType: type, payloadBytes, inReplyTo, to: request.signer, ttlMs: answerTtlMs };
}

/** The text without the half of a character in which it may end. */
export function withoutHalf(text: string): string {
  return endsInHalf(text) ? text.slice(0, -1) : text;
}

function endsInHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}

/** A cost never falls from one signature to the next. */
function higher(signed: string | undefined, cost: string): string {
  return signed === undefined || signed === cost || BigInt(cost) > BigInt(signed) ? cost : signed;
}
