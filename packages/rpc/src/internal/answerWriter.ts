import {
  encodeAnswerEnd,
  type EndFrame,
  type LlmRequest,
  type LlmResponse,
  type SignedMessage,
} from '@lloom/codec';
import type { Clock, Hex, Signer, Verifier } from '@lloom/core';
import { Refusal, RpcError } from '../errors.ts';
import type { AnswerMessage, AnswerPiece } from '../types.ts';
import { isRelayLimit, noRoom } from './relayRoom.ts';
import { checkAnswer, checkSize } from './results.ts';
import { Source } from './source.ts';
import {
  AnswerChunks,
  draftOf,
  Tally,
  withoutHalf,
  type AnswerBeginning,
  type SigningPorts,
} from './answerChunks.ts';

/** An answer that is ready and not signed. */
type Unsigned = Omit<LlmResponse, 'requestDigest'>;

/** What of a relay's last bytes is kept for a signature and for the error that says why the answer ends. */
const lastWordsBytes = 8 * 1024;

/** Where the messages of one answer go, in order. */
export interface AnswerSink {
  /** Sends one message; a promise when the peer has to take something before more is sent. `end` is last. */
  send(kind: 'chunk' | 'end', message: Uint8Array): Promise<void> | undefined;
}

/** What answering one request takes. */
export interface AnswerWriterConfig {
  readonly sink: AnswerSink;
  /** Throws when nobody waits for the answer any more. Asked before whatever is sent after a pause. */
  readonly throwIfClosed: () => void;
  /** The most that all messages may have together, in bytes. */
  readonly maxBytes: number;
  /** How many bytes still get through a relay; `undefined`: as many as one likes. @default there is none on the way */
  readonly bytesLeft?: (() => number | undefined) | undefined;
  /**
   * Waits for a client through to whom more bytes get. Rejects with what it is given when there may be none.
   * @default there is none
   */
  readonly waitForRoom?: ((error: Refusal) => Promise<void>) | undefined;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  /** The request, when it is one that is answered with text. */
  readonly request: SignedMessage<LlmRequest> | undefined;
  /** keccak-256 of its payload bytes. @default computed when it is wanted */
  readonly requestDigest?: Hex | undefined;
  /** What others have said of the answer before. @default nothing */
  readonly beginning?: AnswerBeginning | undefined;
  /** Whether the client takes chunks. */
  readonly inChunks: boolean;
  /** Called before the first byte. */
  readonly onBegin: () => void;
  readonly clock: Clock;
  /** So many tokens of a streamed answer without a signature are signed with their last chunk. */
  readonly segmentTokens: number;
  /**
   * What of a streamed answer is not signed when the last signature is so old, in ms, is signed then: with the chunk
   * that comes, or by itself. Before the first signature it counts from the first text.
   */
  readonly segmentIntervalMs: number;
}

/** Writes the messages of one answer, one after another, and signs what has to be signed. */
export class AnswerWriter {
  readonly #config: AnswerWriterConfig;
  #chunks: AnswerChunks | undefined;
  #source: Source<AnswerPiece> | undefined;
  #bytes = 0;
  #hasBegun = false;
  #tokens = 0;

  constructor(config: AnswerWriterConfig) {
    this.#config = config;
  }

  /** The tokens of the answer that was written, as whoever made it counts them; 0 for one without. */
  get outboundTokens(): number {
    return this.#chunks?.tally.usage(0).outboundTokens ?? this.#tokens;
  }

  /**
   * Writes a whole answer. `undefined` when it is written already. What goes wrong is thrown at once, or rejects.
   * @throws {Refusal} `TOO_LARGE`, `RELAY_LIMIT`; `REMOTE` for an answer that is an error
   * @throws {RpcError} `MISSING_PORT`
   * @throws {CodecError} `INVALID_FIELD`; or what the signer, the sink and `throwIfClosed` throw
   */
  message(answer: AnswerMessage): Promise<void> | undefined {
    checkAnswer(answer);
    if (answer.type !== 'llmResponse') {
      if (answer.type === 'error') throw new Refusal('REMOTE', answer.message);
      return this.#end({ type: 'end', response: answer });
    }
    const { response } = answer;
    if ('payloadBytes' in response) {
      this.#tokens = response.payload.outboundTokens;
      return this.#end({ type: 'end', response: { type: 'llmResponse', response } });
    }
    return this.#config.inChunks ? this.#onePiece(response) : this.#whole(response);
  }

  /**
   * Writes an answer piece by piece, or gathers it when the client takes no chunks. What was sent is signed before a relay
   * cuts it off; it goes on when there is room again.
   * @throws what {@link message} throws, and what the pieces throw
   */
  async pieces(pieces: AsyncIterable<AnswerPiece>): Promise<void> {
    const { inChunks, throwIfClosed } = this.#config;
    const answer = inChunks ? this.#begin(true) : this.#gather();
    this.#source = new Source(pieces);
    try {
      await this.#source.read((piece) => {
        throwIfClosed();
        if (typeof piece !== 'string' && !('text' in piece)) return answer.tally.say(piece);
        const text = typeof piece === 'string' ? piece : piece.text;
        const tokens = typeof piece === 'string' ? 1 : (piece.tokens ?? 1);
        return this.#add(answer, checkText(text), tokens);
      });
      throwIfClosed();
      await this.#finish(answer);
    } finally {
      this.close();
    }
  }

  /**
   * Writes nothing more by itself, and lets go of the pieces. To be called when the request has ended, however that came
   * about.
   */
  close(): void {
    void this.#source?.leave();
    this.#chunks?.close();
  }

  /** An answer that is ready goes out in chunks, too, when the client takes them, under one signature. */
  async #onePiece({ content, ...totals }: Unsigned): Promise<void> {
    const chunks = this.#begin(false);
    const sending = this.#add(chunks, checkText(content), totals.outboundTokens);
    if (sending !== undefined) await sending;
    chunks.tally.say(totals);
    await this.#finish(chunks);
  }

  async #whole(unsigned: Unsigned): Promise<void> {
    const { signer, request, requestDigest } = this.#ports();
    const payload = { ...unsigned, requestDigest };
    this.#tokens = payload.outboundTokens;
    const envelope = await signer.sign(draftOf('LlmResponse', payload, request));
    this.#config.throwIfClosed();
    const response = { ...envelope, payload } as SignedMessage<LlmResponse>;
    const sending = this.#end({ type: 'end', response: { type: 'llmResponse', response } });
    if (sending !== undefined) await sending;
  }

  /** Adds a text, which is taken as a whole or, where a relay would cut it, not at all: then it waits for room. */
  #add(answer: AnswerChunks | GatheredAnswer, text: string, tokens: number): Promise<void> | undefined {
    if (this.#config.bytesLeft === undefined) return answer.add(text, tokens);
    try {
      const adding = answer.add(text, tokens);
      return adding?.catch((error: unknown) => this.#addLater(answer, { text, tokens, error }));
    } catch (error) {
      return this.#addLater(answer, { text, tokens, error });
    }
  }

  async #addLater(
    answer: AnswerChunks | GatheredAnswer,
    { text, tokens, error }: { readonly text: string; readonly tokens: number; readonly error: unknown },
  ): Promise<void> {
    if (!isRelayLimit(error)) throw error;
    await this.#sealAndWait(error);
    await this.#add(answer, text, tokens);
  }

  /** Ends an answer. What it has beyond its text may have to wait for room as its text may. */
  async #finish(answer: AnswerChunks | GatheredAnswer): Promise<void> {
    try {
      await answer.end();
    } catch (error) {
      // One that was gathered has waited already.
      if (answer !== this.#chunks || !isRelayLimit(error)) throw error;
      await this.#sealAndWait(error);
      await this.#finish(answer);
    }
  }

  async #sealAndWait(error: Refusal): Promise<void> {
    await this.#chunks?.seal();
    await this.#waitForRoom(error);
  }

  async #waitForRoom(error: Refusal): Promise<void> {
    const { waitForRoom, throwIfClosed } = this.#config;
    if (waitForRoom === undefined) throw error;
    await waitForRoom(error);
    throwIfClosed();
  }

  #begin(isSegmented: boolean): AnswerChunks {
    const send = (kind: 'chunk' | 'end', message: Uint8Array): Promise<void> | undefined =>
      this.#send(kind, message);
    const { bytesLeft } = this.#config;
    const checkRoom =
      bytesLeft &&
      ((bytes: number): void => {
        const error = noRoom(bytes + lastWordsBytes, bytesLeft());
        if (error !== undefined) throw error;
      });
    const how = { isSegmented, send, checkRoom };
    return (this.#chunks = new AnswerChunks({ ...this.#config, ...this.#ports(), ...how }));
  }

  #gather(): GatheredAnswer {
    const send = (response: Unsigned): Promise<void> => this.#whole(response);
    return new GatheredAnswer(this.#ports().request.payload.model, { maxBytes: this.#config.maxBytes, send });
  }

  #end(frame: EndFrame): Promise<void> | undefined {
    const message = encodeAnswerEnd(frame);
    const error = noRoom(message.length, this.#config.bytesLeft?.());
    return error === undefined ? this.#send('end', message) : this.#endLater(frame, error);
  }

  async #endLater(frame: EndFrame, error: Refusal): Promise<void> {
    await this.#waitForRoom(error);
    await this.#end(frame);
  }

  #send(kind: 'chunk' | 'end', message: Uint8Array): Promise<void> | undefined {
    checkSize((this.#bytes += message.length), this.#config.maxBytes);
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#config.onBegin();
    }
    return this.#config.sink.send(kind, message);
  }

  #ports(): SigningPorts {
    const { signer, verifier, request } = this.#config;
    if (signer === undefined) throw new RpcError('MISSING_PORT', { port: 'signer' });
    if (verifier === undefined) throw new RpcError('MISSING_PORT', { port: 'verifier' });
    if (request === undefined) throw new TypeError('Cannot answer a ping with text');
    const { requestDigest = verifier.digest(request.payloadBytes) } = this.#config;
    return { signer, verifier, request, requestDigest };
  }
}

/** An answer that comes in pieces, for a client that takes it whole. */
class GatheredAnswer {
  readonly tally: Tally;
  readonly #maxBytes: number;
  readonly #send: (response: Unsigned) => Promise<void>;
  #content = '';

  constructor(
    model: string,
    config: {
      readonly maxBytes: number;
      readonly send: (response: Unsigned) => Promise<void>;
    },
  ) {
    this.tally = new Tally(model);
    this.#maxBytes = config.maxBytes;
    this.#send = config.send;
  }

  add(text: string, tokens: number): undefined {
    this.tally.tokens += tokens;
    this.#content += text;
    // A text has at least as many bytes as units.
    if (this.#content.length > this.#maxBytes) checkSize(Buffer.byteLength(this.#content), this.#maxBytes);
  }

  end(): Promise<void> {
    return this.#send({ content: withoutHalf(this.#content), ...this.tally.usage(0) });
  }
}

/** Handlers may be written without types. */
function checkText(text: unknown): string {
  if (typeof text === 'string') return text;
  throw new TypeError('Cannot stream a piece whose text is no string');
}
