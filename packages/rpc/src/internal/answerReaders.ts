import { decodeAnswerChunk, decodeAnswerEnd, type EndFrame, type ResponseMessage } from '@lloom/codec';
import { RpcError } from '../errors.ts';
import type { Answer, AnswerChunk, Codec, PartialAnswer, RequestId } from '../types.ts';
import type { AnswerProof } from './answerProof.ts';
import { ownBytes } from './ownBytes.ts';
import { costOfMessageBytes } from './relayRoom.ts';
import { valueOf } from './results.ts';

/** Makes what a caller gets out of the messages of an answer. */
export interface AnswerReader<Result> {
  /** Some more of the answer, when it may come in chunks. A promise when there is a signature to prove. */
  chunk(message: Uint8Array): AnswerChunk | Promise<AnswerChunk>;
  /** The end, and with it the result. A promise when there is a signature to prove. */
  end(message: Uint8Array): Result | Promise<Result>;
  /** As much of a streamed answer as has come. */
  readonly soFar?: PartialAnswer;
}

interface RequestRef {
  readonly requestId: RequestId;
  readonly peerId: string;
}

/** What an answer that the caller does not take fails with. */
function unwanted(request: RequestRef, reason: string): RpcError {
  return new RpcError('INVALID_RESPONSE', { ...request, reason });
}

/** The error of a peer that answers with the kind `error`, or with what was not asked for. */
function otherResponse(request: RequestRef, { response }: EndFrame): RpcError {
  if (response?.type === 'error')
    return new RpcError('REMOTE', { ...request, remoteMessage: response.message.slice(0, 256) });
  return unwanted(request, 'it answers another kind of request');
}

/** Answers to pings. */
export class PongReader implements AnswerReader<ResponseMessage> {
  readonly #request: RequestRef;

  constructor(request: RequestRef) {
    this.#request = request;
  }

  chunk(): never {
    throw unwanted(this.#request, 'text came for a ping');
  }

  end(message: Uint8Array): ResponseMessage {
    const frame = decodeAnswerEnd(message);
    if (frame.response?.type === 'pong') return frame.response;
    throw otherResponse(this.#request, frame);
  }
}

/** Answers in one piece to signed requests. */
export class ResponseReader implements AnswerReader<ResponseMessage> {
  readonly #request: RequestRef;
  readonly #proof: AnswerProof;

  constructor(request: RequestRef, proof: AnswerProof) {
    this.#request = request;
    this.#proof = proof;
  }

  chunk(): never {
    throw unwanted(this.#request, 'chunks came for a request that takes none');
  }

  async end(message: Uint8Array): Promise<ResponseMessage> {
    const frame = decodeAnswerEnd(ownBytes(message));
    const { response } = frame;
    if (response?.type !== 'llmResponse') throw otherResponse(this.#request, frame);
    await this.#proof.proveResponse(response.response);
    return response;
  }
}

/** Answers in chunks to signed requests. */
export class StreamReader implements AnswerReader<Answer> {
  readonly proof: AnswerProof;
  readonly #request: RequestRef;
  #bytes = 0;

  constructor(request: RequestRef, proof: AnswerProof) {
    this.#request = request;
    this.proof = proof;
  }

  get soFar(): PartialAnswer {
    return this.proof.soFar;
  }

  /** What all chunks take on their way, in bytes. */
  get saidBytes(): number {
    return this.#bytes;
  }

  chunk(message: Uint8Array): AnswerChunk | Promise<AnswerChunk> {
    this.#bytes += message.length + costOfMessageBytes;
    return this.proof.add(decodeAnswerChunk(message));
  }

  async end(message: Uint8Array): Promise<Answer> {
    const frame = decodeAnswerEnd(ownBytes(message));
    if (frame.response?.type === 'error' || frame.response?.type === 'pong')
      throw otherResponse(this.#request, frame);
    return this.proof.end(frame);
  }
}

/** Answers of custom protocols. */
export class ProtocolReader<Response> implements AnswerReader<Response> {
  readonly #request: RequestRef;
  readonly #codec: Codec<Response>;

  constructor(request: RequestRef, codec: Codec<Response>) {
    this.#request = request;
    this.#codec = codec;
  }

  chunk(): never {
    throw unwanted(this.#request, 'chunks came for a request that takes none');
  }

  end(message: Uint8Array): Response {
    try {
      return valueOf(this.#codec.decode(message)) as Response;
    } catch (cause) {
      const reason = 'it does not fit the protocol';
      throw new RpcError('INVALID_RESPONSE', { ...this.#request, reason }, { cause });
    }
  }
}

/** An answer that came in one piece is one chunk for who reads a stream; one in chunks has been shown already. */
export function onlyChunk(result: unknown): AnswerChunk | undefined {
  const { response, content: text, outboundTokens: tokens, peerId } = result as Answer;
  if (response === undefined) return undefined;
  return { sequence: 0, text, tokens, peerId };
}
