import {
  CodecError,
  encodeCredit,
  readCredit,
  sessionFrame,
  SessionDecoder,
  type SessionFrame,
} from '@lloom/codec';
import type { AnswerReceiver, CarriedRequest, Carrier, SentRequest } from './internal/exchange.ts';
import { isViolation } from './internal/facts.ts';
import { HeadWriter } from './internal/heads.ts';
import { IncomingMessages, splitAboveBytes } from './internal/incoming.ts';
import { Outbox, OutgoingFlow, type FlowOwner } from './internal/outbox.ts';
import { RelayAccount } from './internal/relayRoom.ts';
import type { SessionLink, SessionLinkUser } from './ports.ts';

/** Requests of one session are numbered; after this one a new session is opened. */
const lastNumber = 2 ** 32 - 1;
/** What fits beside the largest head into the first frame. A longer message says its length there. */
const maxFirstPieceBytes = 56 * 1024;

/** One is enough for all: a stack for each is dear, and tells nothing. */
const isGivenUp = new Error('the request has ended');
const isUsedUp = new Error('the session takes no more requests');

/** What a session of this node is made with. */
export interface AskingSessionConfig {
  /** The most that one answer may have. */
  readonly maxAnswerBytes: number;
  /** Called once, when the session takes no more requests, which it may be before the constructor returns. */
  readonly onEnd: (session: AskingSession) => void;
  /** Called once, when its stream is closed. */
  readonly onClosed?: (session: AskingSession) => void;
  /** Called when the peer broke the rules, and the session has ended of it. */
  readonly onViolation?: () => void;
  /** How many requests it takes. @default as many as there are numbers */
  readonly maxRequests?: number;
}

/** Requests of this node to one peer, over one stream. */
export class AskingSession implements Carrier, SessionLinkUser {
  readonly #link: SessionLink;
  readonly #outbox: Outbox;
  readonly #decoder: SessionDecoder;
  readonly #heads = new HeadWriter();
  /** Requests that have a number. */
  readonly #calls = new Map<number, AskedCall>();
  /** Requests of which nothing was written yet. */
  readonly #unsent = new Set<AskedCall>();
  readonly #config: AskingSessionConfig;
  readonly #account = new RelayAccount();
  /** Whether the peer has said that its answers hardly fit. */
  isSpent = false;
  #lastId = 0;
  #left: number;
  #failure: Error | undefined;

  constructor(link: SessionLink, config: AskingSessionConfig) {
    this.#link = link;
    this.#outbox = new Outbox(link);
    this.#decoder = new SessionDecoder((frame) => this.#take(frame), { splitAboveBytes });
    this.#config = config;
    this.#left = config.maxRequests ?? lastNumber;
    link.attach(this);
  }

  get connectionId(): string | undefined {
    return this.#link.connectionId;
  }

  /** The relay that carries it; `undefined` for none. */
  get relay(): string | undefined {
    return this.#link.relay;
  }

  spareOf(bytesLeft: number): number {
    return this.#account.spareOf(bytesLeft, this.#outbox.costBytes);
  }

  /** How many requests are under way. */
  get size(): number {
    return this.#calls.size + this.#unsent.size;
  }

  /** Whether it takes more requests. */
  get isOpen(): boolean {
    return this.#failure === undefined && this.#left > 0;
  }

  send(request: CarriedRequest, receiver: AnswerReceiver): SentRequest {
    const call = new AskedCall(this, receiver);
    receiver.onOpened();
    if (!this.isOpen) {
      call.lose(this.#failure ?? isUsedUp);
      return call;
    }
    const { body, method } = request;
    const sizeBytes = body.length > maxFirstPieceBytes ? { sizeBytes: body.length } : undefined;
    const before = this.#heads.write({ ...request.head(), method, ...sizeBytes });
    this.#left--;
    const waits = call.flow.send('request', body, before);
    if (waits === undefined) {
      call.sent();
    } else {
      this.#unsent.add(call);
      waits.then(() => call.sent(), ignore);
    }
    if (this.#left === 0) this.#config.onEnd(this);
    return call;
  }

  /** Ends the session; what was written still arrives. */
  async close(): Promise<void> {
    this.#outbox.flush();
    await this.#link.close();
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      // Of no request in particular: an error of the codec would be taken for the answer's.
      this.#break(new Error('the peer broke the rules of the session', { cause: error }));
      if (isViolation(error)) this.#config.onViolation?.();
    }
  }

  onDrain(): void {
    this.#outbox.unblock();
  }

  /** Ends with its last request, so that the connection which carries it falls idle. */
  onSuperseded(): void {
    if (!this.isOpen) return;
    this.#left = 0;
    this.#config.onEnd(this);
    if (this.size === 0) void this.close();
  }

  onClosed(reason: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#outbox.close();
    if (this.#left > 0) this.#config.onEnd(this);
    this.#config.onClosed?.(this);
    const calls = [...this.#calls.values(), ...this.#unsent];
    this.#calls.clear();
    this.#unsent.clear();
    for (const call of calls) call.lose(reason);
  }

  /** What a call writes. */
  get outbox(): Outbox {
    return this.#outbox;
  }

  /** The most that one answer may have. */
  get maxAnswerBytes(): number {
    return this.#config.maxAnswerBytes;
  }

  /** Gives a call the next number. */
  begin(call: AskedCall): number {
    const id = ++this.#lastId;
    this.#unsent.delete(call);
    this.#calls.set(id, call);
    return id;
  }

  /** Forgets a call; whatever still comes for it is dropped. */
  forget(call: AskedCall, id: number): void {
    if (id > 0) this.#calls.delete(id);
    else this.#unsent.delete(call);
    if (this.#left === 0 && this.size === 0) void this.close();
  }

  #take({ kind, id, more, payload }: SessionFrame): void {
    const call = this.#calls.get(id);
    if (kind === sessionFrame.open || kind === sessionFrame.cancel || id > this.#lastId)
      throw new RangeError('the peer broke the rules of the session');
    if (call === undefined) return;
    switch (kind) {
      case sessionFrame.credit:
        return call.flow.grant(readCredit(payload));
      case sessionFrame.error:
        return call.end('error', payload);
      default:
        return call.add(kind === sessionFrame.end, more, payload);
    }
  }

  /** What a peer sends after it broke the rules cannot be trusted. */
  #break(error: Error): void {
    this.#link.abort(error);
    this.onClosed(error);
  }
}

/** One request of a session. */
class AskedCall implements SentRequest, FlowOwner {
  readonly flow: OutgoingFlow;
  readonly #session: AskingSession;
  readonly #receiver: AnswerReceiver;
  readonly #incoming: IncomingMessages;
  #id = 0;
  #isOver = false;

  constructor(session: AskingSession, receiver: AnswerReceiver) {
    this.#session = session;
    this.#receiver = receiver;
    this.flow = new OutgoingFlow(session.outbox, this);
    this.#incoming = new IncomingMessages('answer', session.maxAnswerBytes);
  }

  get relay(): string | undefined {
    return this.#session.relay;
  }

  begin(): number {
    return (this.#id = this.#session.begin(this));
  }

  sent(): void {
    if (!this.#isOver) this.#receiver.onSent();
  }

  add(isEnd: boolean, more: boolean, payload: Uint8Array): void {
    let message: Uint8Array | undefined;
    try {
      message = this.#incoming.add(payload, more);
    } catch (error) {
      if (!CodecError.is(error)) throw error;
      return this.#giveUp(error);
    }
    if (message === undefined) {
      this.#grant(this.#incoming.hold(payload.length));
      this.#receiver.onProgress();
    } else if (isEnd) {
      this.end('end', message);
    } else if (message.length === 0) {
      // It says nothing and costs no credit, so there would be no end of them.
      this.#giveUp(new CodecError('MALFORMED', { what: 'answer', reason: 'it has an empty message' }));
    } else {
      this.#receiver.onMessage('chunk', message);
    }
  }

  end(kind: 'end' | 'error', message: Uint8Array): void {
    this.#finish(isGivenUp);
    this.#receiver.onMessage(kind, message);
  }

  lose(reason: Error): void {
    this.#finish(reason);
    this.#receiver.onLost(reason, this.flow.hasBegun);
  }

  taken(bytes: number): void {
    // What has ended needs no more credit.
    if (!this.#isOver) this.#grant(this.#incoming.take(bytes));
  }

  cancel(): void {
    if (this.#isOver) return;
    // First, for a session that ends with its last request.
    if (this.flow.hasBegun) this.#session.outbox.write(sessionFrame.cancel, this.#id);
    this.#finish(isGivenUp);
  }

  #giveUp(error: CodecError): void {
    this.cancel();
    this.#receiver.onLost(error, true);
  }

  #finish(reason: Error): void {
    this.#isOver = true;
    this.flow.drop(reason);
    this.#session.forget(this, this.#id);
  }

  #grant(more: number): void {
    if (more > 0) this.#session.outbox.write(sessionFrame.credit, this.#id, { payload: encodeCredit(more) });
  }
}

const ignore = (): void => undefined;
