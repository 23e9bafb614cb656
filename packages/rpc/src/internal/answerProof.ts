import type {
  AnswerPart,
  AnswerPrefix,
  AnswerSegment,
  ChunkFrame,
  EndFrame,
  LlmRequest,
  LlmResponse,
  SignedMessage,
} from '@lloom/codec';
import { errorText, type EvmAddress, type Hex, type Verifier } from '@lloom/core';
import { RpcError } from '../errors.ts';
import type { Answer, AnswerChunk, AnswerShare, PartialAnswer, RequestId } from '../types.ts';
import { ownBytes } from './ownBytes.ts';
import { digestOfNothing, TextDigest } from './textDigest.ts';

/** What an answer has to fit. */
export interface AnswerExpectation {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly request: SignedMessage<LlmRequest>;
  readonly verifier: Verifier;
  /** Who must have signed it. */
  readonly executor: EvmAddress;
  /** Whether signatures are verified, or only read. */
  readonly verify: boolean;
  /** What others have produced: the answer goes on behind it, and its price counts beside theirs. */
  readonly prefix?: AnswerPrefix | undefined;
}

const utf8 = new TextEncoder();

/** Gathers one executor's answer and proves that it is signed, belongs to the request, and costs what was agreed. */
export class AnswerProof {
  readonly requestDigest: Hex;
  readonly #expected: AnswerExpectation;
  readonly #parts: AnswerPart[] = [];
  readonly #prefixDigest: Hex;
  readonly #prefixCost: bigint;
  #digest: TextDigest | undefined;
  #pendingText = '';
  #pendingTokens = 0;
  #chunks = 0;
  #shown = 0;
  #signedTokens = 0;
  #signedCost = 0n;
  #isFinished = false;

  constructor(expected: AnswerExpectation) {
    this.#expected = expected;
    const { verifier, request, prefix } = expected;
    this.requestDigest = verifier.digest(request.payloadBytes);
    this.#prefixDigest = prefix === undefined ? digestOfNothing : verifier.digest(utf8.encode(prefix.text));
    this.#prefixCost = BigInt(prefix?.totalCost ?? 0);
  }

  /** The parts that are proven. */
  get proven(): readonly AnswerPart[] {
    return this.#parts;
  }

  /** What has come so far: the proven parts, and last, when there is any, text that nothing proves yet. */
  get parts(): readonly AnswerPart[] {
    if (this.#pendingText === '' && this.#pendingTokens === 0) return this.#parts;
    const { executor } = this.#expected;
    return [...this.#parts, { executor, text: this.#pendingText, tokens: this.#pendingTokens }];
  }

  /** The answer as far as it has come. */
  get soFar(): PartialAnswer {
    const { parts } = this;
    const totalCost = this.#signedCost.toString();
    return { content: textOf(parts), parts, shares: parts.length === 0 ? [] : [this.#share()], totalCost };
  }

  /**
   * Takes the next chunk. A promise when it carries a signature; it is proven then, and nothing may be added before.
   * @throws {RpcError} `INVALID_RESPONSE` at once; `SIGNATURE_INVALID`, `INVALID_RESPONSE` by the promise
   */
  add(chunk: ChunkFrame): AnswerChunk | Promise<AnswerChunk> {
    const { sequence, text, tokens, segment } = chunk;
    if (text === '' && segment === undefined) throw this.#unreadable('a chunk holds nothing');
    if (sequence !== this.#chunks)
      throw this.#unreadable(`chunk ${sequence} came when ${this.#chunks} was due`);
    this.#chunks += 1;
    const at = this.#pendingText.length;
    this.#text().add(text);
    this.#pendingText += text;
    this.#pendingTokens += tokens;
    // A signature that comes by itself shows nothing, and is no chunk to a reader.
    const isShown = text !== '' || tokens > 0;
    const shown = {
      sequence: isShown ? this.#shown++ : this.#shown,
      text,
      tokens,
      peerId: this.#expected.peerId,
    };
    if (segment === undefined) return shown;
    return this.#addSegment(segment).then(
      () => shown,
      (error: unknown) => {
        // What is not shown is no part of the answer.
        this.#pendingText = this.#pendingText.slice(0, at) + this.#pendingText.slice(at + text.length);
        this.#pendingTokens -= tokens;
        throw error;
      },
    );
  }

  /** Takes the end of the answer and gives the proven whole. */
  async end(frame: EndFrame): Promise<Answer> {
    if (frame.response?.type === 'llmResponse' && this.#chunks === 0 && this.#expected.prefix === undefined)
      return this.#single(frame.response.response);
    if (frame.segment === undefined) throw this.#unreadable('it ends without a signed segment');
    await this.#addSegment(frame.segment);
    const { finishReason, extra, inboundTokens, outboundTokens, totalCost, modelUsed } =
      frame.segment.payload;
    if (finishReason === undefined) throw this.#unproven('its last segment does not say that it is the last');
    const totals = { finishReason, inboundTokens, outboundTokens, totalCost, modelUsed };
    return { ...this.#whole(), ...totals, ...(extra !== undefined && { extra }) };
  }

  /**
   * Proves an answer that came in one piece.
   * @throws {RpcError} `SIGNATURE_INVALID`, `INVALID_RESPONSE`
   */
  async proveResponse(response: SignedMessage<LlmResponse>): Promise<void> {
    await this.#prove(response, 'LlmResponse');
    if (response.payload.requestDigest !== this.requestDigest)
      throw this.#unproven('it answers another request');
    this.#checkCost(response.payload.totalCost);
  }

  async #single(response: SignedMessage<LlmResponse>): Promise<Answer> {
    await this.proveResponse(response);
    const { content, requestDigest: _, ...totals } = response.payload;
    this.#parts.push({ executor: response.signer, text: content, tokens: totals.outboundTokens });
    this.#signedTokens = totals.outboundTokens;
    this.#signedCost = BigInt(totals.totalCost);
    return { ...this.#whole(), ...totals, response };
  }

  async #addSegment(segment: SignedMessage<AnswerSegment>): Promise<void> {
    const { payload } = segment;
    await this.#prove(segment, 'AnswerSegment');
    if (payload.requestDigest !== this.requestDigest)
      throw this.#unproven('a segment answers another request');
    if (this.#isFinished) throw this.#unproven('a segment follows the last one');
    this.#isFinished = payload.finishReason !== undefined;
    if (payload.index !== this.#parts.length)
      throw this.#unproven(`segment ${payload.index} is out of order`);
    if (payload.prefixDigest !== this.#prefixDigest) throw this.#unproven('a segment continues another text');
    if (payload.runningDigest !== this.#text().digest()) throw this.#unproven('a segment signs another text');
    this.#signedTokens += payload.tokens;
    if (payload.outboundTokens !== this.#signedTokens)
      throw this.#unproven('its token counts contradict one another');
    if (BigInt(payload.totalCost) < this.#signedCost)
      throw this.#unproven('its price falls from one segment to the next');
    this.#signedCost = BigInt(payload.totalCost);
    this.#checkCost(payload.totalCost);
    const part = {
      executor: segment.signer,
      text: this.#pendingText,
      tokens: payload.tokens,
      signed: { ...segment, payloadBytes: ownBytes(segment.payloadBytes) },
    };
    this.#parts.push(part);
    this.#pendingText = '';
    this.#pendingTokens = 0;
  }

  #text(): TextDigest {
    if (this.#digest !== undefined) return this.#digest;
    const { verifier, prefix } = this.#expected;
    this.#digest = new TextDigest(verifier);
    if (prefix !== undefined) this.#digest.add(prefix.text);
    return this.#digest;
  }

  #share(): AnswerShare {
    const { peerId, executor } = this.#expected;
    const totalCost = this.#signedCost.toString();
    return { peerId, executor, tokens: this.#signedTokens, unsignedTokens: this.#pendingTokens, totalCost };
  }

  async #prove(message: SignedMessage, payloadType: string): Promise<void> {
    const { verifier, executor, request, verify } = this.#expected;
    if (!verify) return;
    try {
      await verifier.verify(message, {
        payloadType,
        signer: executor,
        audience: [request.signer],
        inReplyTo: this.requestDigest,
      });
    } catch (error) {
      throw this.#unproven(errorText(error, 160), error);
    }
  }

  #checkCost(totalCost: string): void {
    const { maxPrice } = this.#expected.request.payload;
    if (maxPrice === undefined || BigInt(totalCost) + this.#prefixCost <= BigInt(maxPrice)) return;
    const others = this.#prefixCost === 0n ? '' : `, others for ${this.#prefixCost}`;
    throw this.#unreadable(`it asks for ${totalCost} wei${others}, maxPrice is ${maxPrice}`);
  }

  #whole(): Pick<Answer, 'requestId' | 'peerId' | 'content' | 'parts' | 'shares' | 'requestDigest'> {
    const { requestId, peerId } = this.#expected;
    const { requestDigest } = this;
    const content = textOf(this.#parts);
    return { requestId, peerId, content, parts: this.#parts, shares: [this.#share()], requestDigest };
  }

  #unproven(reason: string, cause?: unknown): RpcError {
    const { requestId, peerId } = this.#expected;
    return new RpcError('SIGNATURE_INVALID', { requestId, peerId, reason }, { cause });
  }

  #unreadable(reason: string): RpcError {
    const { requestId, peerId } = this.#expected;
    return new RpcError('INVALID_RESPONSE', { requestId, peerId, reason });
  }
}

/** The text of all parts together. */
export function textOf(parts: readonly AnswerPart[]): string {
  return parts.map((part) => part.text).join('');
}
