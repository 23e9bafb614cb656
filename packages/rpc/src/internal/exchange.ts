import type { RequestHead } from '@lloom/codec';

/** What a message of an answer is: some more of it, its end, or an error in its place. */
export type AnswerKind = 'chunk' | 'end' | 'error';

/** A request of ours as a protocol carries it. */
export interface CarriedRequest {
  readonly requestId: string;
  /** `ping`, `llmRequest`, or the name of a custom protocol. */
  readonly method: string;
  /** Its message, encoded. */
  readonly body: Uint8Array;
  /** What travels beside the message; asked for when it is sent, so that it holds the time that is left by then. */
  head(): RequestHead;
}

/** Told what becomes of a request of ours, in this order. Nothing is told after it was cancelled. */
export interface AnswerReceiver {
  /** There is a way to the peer. */
  onOpened(): void;
  /** All of the request has been handed to the network. */
  onSent(): void;
  /** Something of an answer has come, not yet a whole message. */
  onProgress(): void;
  /** A whole message of the answer; nothing follows an `end` or an `error`. */
  onMessage(kind: AnswerKind, message: Uint8Array): void;
  /** The peer ended properly and said nothing more. Last. */
  onOmitted(): void;
  /** What carried it broke. Last. */
  onLost(error: unknown, wasSent: boolean): void;
}

/** A request of ours under way. */
export interface SentRequest {
  /** The reader has taken a message of so many bytes: the peer may send as many more. */
  taken(bytes: number): void;
  /** Gives it up, and tells the peer. Harmless when it has ended. */
  cancel(): void;
  /** The relay that it goes through. @default none, or there is no way to the peer yet */
  readonly relay?: string | undefined;
}

/** Carries requests to one peer. */
export interface Carrier {
  /** The connection that carries them. @default unknown, or another one each time */
  readonly connectionId?: string | undefined;
  /** What is left of the bytes that its connection still carries, behind all that was sent. @default that is not known */
  spareOf?(bytesLeft: number): number;
  /** Set when the peer says that a relay would cut its answer: another connection is wanted then. @default it is not remembered */
  isSpent?: boolean;
  /** Sends a request. May tell the receiver before it returns. */
  send(request: CarriedRequest, receiver: AnswerReceiver): SentRequest;
}

/** A request of a peer that is there as a whole. */
export interface ReceivedRequest {
  /** `undefined`: the message says it. */
  readonly method: string | undefined;
  readonly head: RequestHead;
  readonly body: Uint8Array;
}

/** Where a request of a peer is answered. */
export interface InboundExchange {
  readonly peerId: string;
  /** The connection that carries it; `undefined`: unknown. */
  readonly connectionId: string | undefined;
  /** What is left of the bytes that its connection still carries, behind all that was given to {@link send}, here and beside it. */
  spareOf(bytesLeft: number): number;
  /**
   * Sends one message; a promise when the peer has to take something before more is sent. `end` and `error` are last. It
   * never rejects: that the client is gone is told to the receiver.
   */
  send(kind: AnswerKind, message: Uint8Array): Promise<void> | undefined;
  /** The request has ended, after its last message or without one. A promise when there is still something to close. */
  finish(isClientGone: boolean): Promise<void> | undefined;
}

/** How a client left: it gave its request up, or what carried it broke. Then it may come back. */
export type Leaving = 'cancelled' | 'lost';

/** Told what a peer does about a request that it makes. */
export interface InboundReceiver {
  /** What it asks for is known, before all of it is there. `false`: it is refused, and need not be read. */
  announce(method: string): boolean;
  /** The request is there. */
  receive(request: ReceivedRequest): void;
  /** It cannot be read. */
  refuse(error: unknown): void;
  /** The client waits no longer. */
  clientGone(how: Leaving): void;
}
