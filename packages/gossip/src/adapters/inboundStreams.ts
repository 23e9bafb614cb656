import type { PeerId, Stream, StreamMessageEvent } from '@libp2p/interface';
import { Frames } from './frames.ts';
import type { Internals } from './internals.ts';
import type { Receiving } from './receiving.ts';
import { WireError } from './wire.ts';
import { decodeRpc, maxRpcBytes, type WireRpc } from './wireRpc.ts';

/** What inbound streams are made of. */
export interface InboundParts {
  readonly receiving: Pick<Receiving, 'receive'>;
  /** What came is no RPC, or larger than any. */
  readonly onViolation: (peerId: PeerId, error: Error) => void;
  /** The stream ended, and no other has taken its place. */
  readonly onEnd: (peerId: PeerId) => void;
  readonly onError: (text: string, error: unknown) => void;
}

/** Messages of one neighbour that are looked at in one turn: then others have theirs. */
const messagesPerTurn = 256;
/** Messages of one neighbour that wait for a verdict. With more nothing is read of it. */
const maxWaiting = 1_024;

/** Reads what neighbours say, in place of gossipsub's own `createInboundStream`. One stream of each is read. */
export function replaceInboundStreams(gossipsub: Internals, parts: InboundParts): void {
  const { streamsInbound, peers } = gossipsub;
  gossipsub.createInboundStream = (peerId, stream) => {
    const id = peerId.toString();
    if (!peers.has(id)) return stream.abort(new Error('the neighbour is not known'));
    void streamsInbound.get(id)?.close();
    const reader = new Reader(gossipsub, { peerId, stream, parts }, () => {
      if (streamsInbound.get(id) !== reader) return;
      streamsInbound.delete(id);
      parts.onEnd(peerId);
    });
    streamsInbound.set(id, reader);
    return reader.start();
  };
}

class Reader {
  readonly #gossipsub: Internals;
  readonly #parts: InboundParts;
  readonly #peerId: PeerId;
  readonly #id: string;
  readonly #stream: Stream;
  readonly #onEnd: () => void;
  readonly #frames = new Frames(maxRpcBytes);
  #rpc: WireRpc | undefined;
  #nextMessage = 0;
  #waiting = 0;
  #isHeld = false;
  #isEnded = false;

  constructor(
    gossipsub: Internals,
    {
      peerId,
      stream,
      parts,
    }: { readonly peerId: PeerId; readonly stream: Stream; readonly parts: InboundParts },
    onEnd: () => void,
  ) {
    this.#gossipsub = gossipsub;
    this.#parts = parts;
    this.#peerId = peerId;
    this.#id = peerId.toString();
    this.#stream = stream;
    this.#onEnd = onEnd;
  }

  start(): void {
    const end = (): void => void this.close();
    this.#stream.addEventListener('message', this.#onMessage);
    this.#stream.addEventListener('close', end);
    this.#stream.addEventListener('remoteCloseWrite', end);
  }

  close(): Promise<void> {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#rpc = undefined;
      this.#stream.removeEventListener('message', this.#onMessage);
      // Nothing is ever written here: closing one half would leave the stream open for good.
      this.#stream.abort(new Error('not read any more'));
      this.#onEnd();
    }
    return Promise.resolve();
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    this.#frames.push(data);
    if (!this.#isHeld) this.#work();
  };

  #work(): void {
    let left = messagesPerTurn;
    while (!this.#isEnded) {
      const rpc = this.#rpc ?? this.#read();
      if (rpc === undefined) return;
      while (this.#nextMessage < rpc.messages.length) {
        if (left-- === 0) return this.#hold(() => setImmediate(this.#release));
        if (this.#waiting >= maxWaiting) return this.#hold();
        this.#receive(rpc.messages[this.#nextMessage++]!);
        // A verdict may have ended it.
        if (this.#isEnded) return;
      }
      this.#rpc = undefined;
      this.#control(rpc);
    }
  }

  #receive(message: WireRpc['messages'][number]): void {
    const waiting = this.#parts.receiving.receive(this.#id, message);
    if (waiting === undefined) return;
    this.#waiting++;
    void waiting
      .catch((error: unknown) => this.#parts.onError('a message failed', error))
      .finally(() => {
        if (this.#waiting-- === maxWaiting && this.#isHeld) this.#release();
      });
  }

  /** The next RPC that is to be heard. */
  #read(): WireRpc | undefined {
    try {
      for (;;) {
        const frame = this.#frames.next();
        if (frame === undefined) return undefined;
        if (!this.#gossipsub.acceptFrom(this.#id)) continue;
        const rpc = decodeRpc(frame);
        this.#subscriptions(rpc);
        this.#nextMessage = 0;
        return (this.#rpc = rpc);
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#parts.onViolation(this.#peerId, error);
      void this.close();
      return undefined;
    }
  }

  #subscriptions({ subscriptions }: WireRpc): void {
    const { topics } = this.#gossipsub;
    // What holds already is no news: somebody may say it again and again.
    const last = new Map(subscriptions.map(({ topic, subscribe }) => [topic, subscribe]));
    const changed = [...last].filter(
      ([topic, subscribe]) => subscribe !== (topics.get(topic)?.has(this.#id) === true),
    );
    if (changed.length === 0) return;
    const news = changed.map(([topic, subscribe]) => ({ topic, subscribe }));
    const failed = (error: unknown): void => this.#parts.onError('a subscription failed', error);
    this.#gossipsub.handleReceivedRpc(this.#peerId, { subscriptions: news, messages: [] }).catch(failed);
  }

  #control({ control }: WireRpc): void {
    if (control === undefined || this.#isEnded) return;
    const failed = (error: unknown): void => this.#parts.onError('a control message failed', error);
    this.#gossipsub.handleControlMessage(this.#id, control).catch(failed);
  }

  #hold(then?: () => void): void {
    this.#isHeld = true;
    if (this.#stream.readStatus === 'readable') this.#stream.pause();
    then?.();
  }

  readonly #release = (): void => {
    if (this.#isEnded) return;
    // Resuming hands out what was kept back, and to pause again meanwhile would be forgotten: it is only taken in.
    if (this.#stream.readStatus === 'paused') this.#stream.resume();
    this.#isHeld = false;
    this.#work();
  };
}
