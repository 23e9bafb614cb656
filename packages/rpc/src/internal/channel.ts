import type { AnswerPrefix, RequestHead } from '@lloom/codec';
import { Refusal } from '../errors.ts';
import type { AnswerMessage, AnswerPiece, HandlerContext, RequestId, ResponseChannel } from '../types.ts';
import type { AnswerWriter } from './answerWriter.ts';

/** The request behind a channel. */
export interface ChannelOwner {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly signal: AbortSignal;
  /** Whether an answer would be dropped. */
  readonly isClosed: boolean;
  /** Answers with what `write` writes; what it throws becomes the answer. */
  answer(write: () => Promise<void> | undefined): Promise<void>;
}

/** The channel of a request whose answer `writer` writes. */
export function createChannel(owner: ChannelOwner, writer: AnswerWriter): ResponseChannel {
  return {
    requestId: owner.requestId,
    peerId: owner.peerId,
    get signal() {
      return owner.signal;
    },
    get closed() {
      return owner.isClosed;
    },
    respond: (message: AnswerMessage) => owner.answer(() => writer.message(message)),
    stream: (pieces: AsyncIterable<AnswerPiece>) => owner.answer(() => writer.pieces(pieces)),
    fail: async (error) => {
      const refusal = typeof error === 'string' ? new Refusal('REMOTE', error) : error;
      await owner
        .answer(() => {
          throw refusal;
        })
        .catch((thrown: unknown) => {
          if (thrown !== refusal) throw thrown;
        });
    },
  };
}

/** What a handler is told. Its signal is made when somebody looks at it: most handlers never do. */
export class Context implements HandlerContext {
  readonly channel: ResponseChannel;
  readonly prefix: AnswerPrefix | undefined;
  readonly #head: RequestHead;

  constructor(channel: ResponseChannel, head: RequestHead, prefix: AnswerPrefix | undefined) {
    this.channel = channel;
    this.prefix = prefix;
    this.#head = head;
  }

  get peerId(): string {
    return this.channel.peerId;
  }

  get signal(): AbortSignal {
    return this.channel.signal;
  }

  get stream(): boolean {
    return this.#head.stream;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#head.metadata;
  }

  get traceparent(): string | undefined {
    return this.#head.traceparent;
  }
}
