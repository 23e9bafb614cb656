import {
  encodeFrame,
  encodePayload,
  encodeResponseFrame,
  openEnvelope,
  type ErrorFrame,
  type LlmRequest,
  type LlmResponse,
  type PayloadType,
  type PayloadTypes,
  type ResponseFrame,
  type SignedMessage,
} from '@lloom/codec';
import type { Hex, Signer, Verifier } from '@lloom/core';
import { Refusal, RpcError } from '../errors.ts';
import type { ByteStream } from '../ports.ts';
import type { AnswerMessage, AnswerPiece, AnswerTotals } from '../types.ts';

/** Text of one chunk, in UTF-16 units: small enough to share a connection fairly. */
const maxChunkLength = 16 * 1024;
const utf8 = new TextEncoder();

/** What answering one request takes. */
export interface AnswerWriterConfig {
  readonly stream: ByteStream;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  /** The request, when it is one that is answered with text. */
  readonly request: SignedMessage<LlmRequest> | undefined;
  /** Whether the client takes chunks. */
  readonly inChunks: boolean;
  /** Called before the first byte. */
  readonly onBegin: () => void;
}

/** Writes the frames of one answer, one after another, and signs what has to be signed. */
export class AnswerWriter {
  readonly #config: AnswerWriterConfig;
  #lastWrite: Promise<void> = Promise.resolve();
  #bytes = 0;
  #hasBegun = false;

  constructor(config: AnswerWriterConfig) {
    this.#config = config;
  }

  /** Writes a whole answer. */
  async message(answer: AnswerMessage): Promise<void> {
    if (answer.type !== 'llmResponse') {
      if (answer.type === 'error') throw new Refusal('REMOTE', answer.message);
      return this.#write({ type: 'end', response: answer });
    }
    const { response } = answer;
    if ('payloadBytes' in response)
      return this.#write({ type: 'end', response: { type: 'llmResponse', response } });
    if (this.#config.inChunks) return this.pieces(pieceOf(response));
    return this.#whole(response);
  }

  /** Writes an answer piece by piece, or gathers it when the client takes no chunks. */
  async pieces(pieces: AsyncIterable<AnswerPiece>): Promise<void> {
    const { request, inChunks } = this.#config;
    const { signer, verifier } = this.#ports();
    if (request === undefined) throw new TypeError('Cannot stream text in answer to a ping');
    const requestDigest = verifier.digest(request.payloadBytes);
    const running = verifier.startDigest();
    const prefixDigest = running.digest();
    const text = new ChunkText();
    let totals: AnswerTotals = {};
    let [content, tokens, untold, sequence] = ['', 0, 0, 0];
    for await (const piece of pieces) {
      this.#config.signal.throwIfAborted();
      if (typeof piece !== 'string' && !('text' in piece)) {
        totals = piece;
        continue;
      }
      const { text: added, tokens: count = 1 } = typeof piece === 'string' ? { text: piece } : piece;
      if (typeof added !== 'string') throw new TypeError('Cannot stream a piece whose text is no string');
      tokens += count;
      untold += count;
      for (const part of text.split(added)) {
        running.update(utf8.encode(part));
        if (!inChunks) content += part;
        else await this.#write({ type: 'chunk', sequence: sequence++, text: part, tokens: untold });
        untold = 0;
      }
    }
    const usage = completeTotals(totals, { tokens, model: request.payload.model });
    if (!inChunks) return this.#whole({ content, ...usage });
    const segment = await this.#sign(signer, 'AnswerSegment', {
      requestDigest,
      index: 0,
      prefixDigest,
      runningDigest: running.digest(),
      tokens: usage.outboundTokens,
      ...usage,
    });
    await this.#write({ type: 'end', segment });
  }

  /** Writes an error behind whatever was written before. */
  fail(frame: ErrorFrame): Promise<void> {
    return this.#write(frame);
  }

  async #whole(response: Omit<LlmResponse, 'requestDigest'>): Promise<void> {
    const { signer, verifier } = this.#ports();
    const { request } = this.#config;
    if (request === undefined) throw new TypeError('Cannot answer a ping with text');
    const requestDigest = verifier.digest(request.payloadBytes);
    const signed = await this.#sign(signer, 'LlmResponse', { ...response, requestDigest });
    await this.#write({ type: 'end', response: { type: 'llmResponse', response: signed } });
  }

  async #sign<K extends PayloadType>(
    signer: Signer,
    type: K,
    payload: PayloadTypes[K],
  ): Promise<SignedMessage<PayloadTypes[K]>> {
    const { request } = this.#config;
    const inReplyTo = (payload as { readonly requestDigest: Hex }).requestDigest;
    const draft = { payloadType: type, payloadBytes: encodePayload(type, payload), inReplyTo };
    return openEnvelope(type, await signer.sign({ ...draft, ...(request && { to: request.signer }) }));
  }

  #write(frame: ResponseFrame): Promise<void> {
    const encoded = encodeResponseFrame(frame);
    if (frame.type !== 'error') this.#limit((this.#bytes += encoded.length));
    if (!this.#hasBegun) this.#config.onBegin();
    this.#hasBegun = true;
    const write = this.#lastWrite.then(() => this.#config.stream.write(encodeFrame(encoded, encoded.length)));
    // The next frame waits for this one, also when this one failed: frames never mix.
    this.#lastWrite = write.catch(() => undefined);
    return write;
  }

  #limit(sizeBytes: number): void {
    const { maxBytes } = this.#config;
    if (sizeBytes <= maxBytes) return;
    throw new Refusal('TOO_LARGE', `the answer has ${sizeBytes} bytes, limit is ${maxBytes}`, {
      reason: 'response',
    });
  }

  #ports(): { signer: Signer; verifier: Verifier } {
    const { signer, verifier } = this.#config;
    if (signer === undefined) throw new RpcError('MISSING_PORT', { port: 'signer' });
    if (verifier === undefined) throw new RpcError('MISSING_PORT', { port: 'verifier' });
    return { signer, verifier };
  }
}

/** Cuts text into chunks, never through a character: a half one waits for the rest. */
class ChunkText {
  #half = '';

  split(added: string): string[] {
    let text = this.#half + added;
    this.#half = '';
    if (endsInHalf(text)) {
      this.#half = text.slice(-1);
      text = text.slice(0, -1);
    }
    const parts: string[] = [];
    for (let start = 0; start < text.length;) {
      let end = Math.min(start + maxChunkLength, text.length);
      if (end < text.length && endsInHalf(text.slice(start, end))) end--;
      parts.push(text.slice(start, end));
      start = end;
    }
    return parts;
  }
}

function endsInHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}

function completeTotals(
  totals: AnswerTotals,
  seen: { readonly tokens: number; readonly model: string },
): Required<AnswerTotals> {
  const defaults = { finishReason: 'stop', inboundTokens: 0, outboundTokens: seen.tokens, totalCost: '0' };
  return { ...defaults, modelUsed: seen.model, ...totals };
}

async function* pieceOf({
  content,
  ...totals
}: Omit<LlmResponse, 'requestDigest'>): AsyncGenerator<AnswerPiece> {
  yield { text: content, tokens: totals.outboundTokens };
  yield totals;
}
