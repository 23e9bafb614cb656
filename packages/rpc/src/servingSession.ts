import {
  CodecError,
  encodeCredit,
  encodeErrorFrame,
  readCredit,
  sessionFrame,
  SessionDecoder,
  splitOpen,
  type ErrorFrame,
  type OpenHead,
  type SessionFrame,
} from '@lloom/codec';
import { Refusal } from './errors.ts';
import type { Budget } from './internal/budget.ts';
import type { AnswerKind, InboundExchange, InboundReceiver, Leaving } from './internal/exchange.ts';
import { isViolation } from './internal/facts.ts';
import { HeadReader } from './internal/heads.ts';
import { IncomingMessages, splitAboveBytes } from './internal/incoming.ts';
import { Outbox, OutgoingFlow, type FlowOwner } from './internal/outbox.ts';
import { RelayAccount } from './internal/relayRoom.ts';
import type { SessionLink, SessionLinkUser } from './ports.ts';

/** What a serving session needs of the service. */
export interface SessionHost {
  readonly maxRequestBytes: number;
  /** Bytes of requests that are gathered, all sessions together. */
  readonly unverified: Budget;
  /** How many bytes a connection still gets through a relay to the peer; `undefined`: as many as one likes. */
  readonly bytesLeft: (peerId: string, connectionId: string | undefined) => number | undefined;
  /** Told of a peer that broke the rules of its session. @default nobody is told */
  readonly onViolation?: (peerId: string) => void;
  /** Takes a request that begins, or says why not. */
  accept(exchange: InboundExchange, isWhole: boolean): InboundReceiver | ErrorFrame;
}

const isGone = new Error('the client is gone');

/** Requests of one peer to this node, over one stream. */
export class ServingSession implements SessionLinkUser {
  readonly peerId: string;
  readonly host: SessionHost;
  readonly outbox: Outbox;
  readonly connectionId: string | undefined;
  readonly account = new RelayAccount();
  readonly #link: SessionLink;
  readonly #decoder: SessionDecoder;
  readonly #heads = new HeadReader();
  readonly #calls = new Map<number, ServedCall>();
  readonly #onEnd: (session: ServingSession) => void;
  #lastId = 0;
  #isClosed = false;
  /** What its end means for its requests: a client that broke the rules does not come back for them. */
  #leaving: Leaving = 'lost';

  /** @param config `onEnd` is called once, when the session is over, which it may be before this returns */
  constructor(
    link: SessionLink,
    config: {
      readonly peerId: string;
      readonly host: SessionHost;
      readonly onEnd: (session: ServingSession) => void;
    },
  ) {
    this.#link = link;
    this.connectionId = link.connectionId;
    this.peerId = config.peerId;
    this.host = config.host;
    this.#onEnd = config.onEnd;
    this.outbox = new Outbox(link);
    this.#decoder = new SessionDecoder((frame) => this.#take(frame), { splitAboveBytes });
    link.attach(this);
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Ends the session; what was written still arrives. */
  async close(): Promise<void> {
    this.outbox.flush();
    await this.#link.close();
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      // What a peer sends after it broke the rules cannot be trusted.
      this.#leaving = 'cancelled';
      this.#link.abort(error as Error);
      this.onClosed();
      if (isViolation(error)) this.host.onViolation?.(this.peerId);
    }
  }

  onDrain(): void {
    this.outbox.unblock();
  }

  onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.outbox.close();
    this.#onEnd(this);
    for (const call of [...this.#calls.values()]) call.lose(this.#leaving);
  }

  /** Forgets a request; whatever still comes for it is dropped. */
  forget(id: number): void {
    this.#calls.delete(id);
  }

  #take({ kind, id, more, payload }: SessionFrame): void {
    if (kind === sessionFrame.open) return this.#open(id, more, payload);
    if (kind === sessionFrame.error || id > this.#lastId)
      throw new RangeError('the peer broke the rules of the session');
    const call = this.#calls.get(id);
    if (call === undefined) return;
    if (kind === sessionFrame.credit) call.flow.grant(readCredit(payload));
    else if (kind === sessionFrame.cancel) call.lose('cancelled');
    else call.add(kind === sessionFrame.end, more, payload);
  }

  #open(id: number, more: boolean, payload: Uint8Array): void {
    if (id <= this.#lastId) throw new RangeError('the peer used the number of a request again');
    // Whatever cannot be read is no request that somebody would have to answer.
    const { head, piece } = splitOpen(payload);
    this.#lastId = id;
    const call = new ServedCall(this, id);
    const receiver = this.host.accept(call, !more);
    if ('type' in receiver) {
      this.outbox.write(sessionFrame.error, id, { payload: encodeErrorFrame(receiver) });
      return;
    }
    this.#calls.set(id, call);
    call.open(receiver, more, { piece, readHead: () => this.#heads.read(head) });
  }
}

/** One request of a session. */
class ServedCall implements InboundExchange, FlowOwner {
  readonly flow: OutgoingFlow;
  readonly #session: ServingSession;
  readonly #id: number;
  #incoming: IncomingMessages | undefined;
  #receiver: InboundReceiver | undefined;
  #head: OpenHead | undefined;
  #heldBytes = 0;

  constructor(session: ServingSession, id: number) {
    this.#session = session;
    this.#id = id;
    this.flow = new OutgoingFlow(session.outbox, this);
  }

  get peerId(): string {
    return this.#session.peerId;
  }

  get connectionId(): string | undefined {
    return this.#session.connectionId;
  }

  spareOf(bytesLeft: number): number {
    const { account, outbox } = this.#session;
    return account.spareOf(bytesLeft, outbox.costBytes);
  }

  /** Takes the first piece, which has the head before it. */
  open(
    receiver: InboundReceiver,
    more: boolean,
    first: { readonly piece: Uint8Array; readonly readHead: () => OpenHead },
  ): void {
    this.#receiver = receiver;
    const { maxRequestBytes, bytesLeft } = this.#session.host;
    try {
      const head = (this.#head = first.readHead());
      const sizeBytes = head.sizeBytes ?? first.piece.length;
      if (sizeBytes > maxRequestBytes)
        throw new CodecError('TOO_LARGE', { what: 'request', sizeBytes, limitBytes: maxRequestBytes });
      if (more && sizeBytes > (bytesLeft(this.peerId, this.connectionId) ?? Infinity))
        throw new Refusal('RELAY_LIMIT', `the relay does not let ${sizeBytes} bytes through`);
    } catch (error) {
      return receiver.refuse(error);
    }
    if (!receiver.announce(this.#head.method)) return;
    if (more) {
      this.#incoming = new IncomingMessages('request', maxRequestBytes, this.#head?.sizeBytes);
      this.#gather(first.piece, true);
    } else {
      this.#complete(first.piece);
    }
  }

  begin(): number {
    return this.#id;
  }

  add(isEnd: boolean, more: boolean, payload: Uint8Array): void {
    // The client may not know yet that its request was refused; a request that is complete has no more pieces.
    if (this.#incoming === undefined) return;
    if (isEnd === more) throw new RangeError('the peer sent a request in two messages');
    this.#gather(payload, more);
  }

  send(kind: AnswerKind, message: Uint8Array): Promise<void> | undefined {
    // What waits is dropped when the client is gone: nobody has to be told by this way, too.
    if (kind !== 'error') return this.flow.send(kind, message)?.catch(ignore);
    this.flow.drop(isGone);
    this.#session.outbox.write(sessionFrame.error, this.#id, { payload: message });
    return undefined;
  }

  finish(isClientGone: boolean): undefined {
    this.#release();
    this.#session.forget(this.#id);
    if (isClientGone) this.flow.drop(isGone);
  }

  lose(how: Leaving): void {
    this.flow.drop(isGone);
    this.#receiver?.clientGone(how);
  }

  #gather(piece: Uint8Array, more: boolean): void {
    const incoming = this.#incoming as IncomingMessages;
    let message: Uint8Array | undefined;
    try {
      this.#session.host.unverified.take(piece.length);
      this.#heldBytes += piece.length;
      message = incoming.add(piece, more);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      return this.#refuse(error);
    }
    if (message !== undefined) return this.#complete(message);
    const granted = incoming.hold(piece.length);
    if (granted > 0)
      this.#session.outbox.write(sessionFrame.credit, this.#id, { payload: encodeCredit(granted) });
  }

  #complete(body: Uint8Array): void {
    this.#release();
    const head = this.#head as OpenHead;
    const { sizeBytes = body.length } = head;
    if (sizeBytes !== body.length) {
      const data = { what: 'request', reason: `it has ${body.length} bytes and announced ${sizeBytes}` };
      return this.#refuse(new CodecError('MALFORMED', data));
    }
    this.#receiver?.receive({ method: head.method, head, body });
  }

  #refuse(error: unknown): void {
    this.#release();
    this.#receiver?.refuse(error);
  }

  #release(): void {
    this.#incoming = undefined;
    this.#session.host.unverified.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}

const ignore = (): void => undefined;
