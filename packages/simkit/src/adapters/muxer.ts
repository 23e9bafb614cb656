import { AbstractStream, AbstractStreamMuxer, type AbstractStreamInit, type SendResult } from '@libp2p/utils';
import type { CreateStreamOptions, MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';
import type { Uint8ArrayList } from 'uint8arraylist';
import { maxSegmentBytes } from '../internal/wire.ts';
import { SimConnection } from './connection.ts';

/** What two simulated muxers say to one another. */
type Frame =
  | { readonly type: 'open'; readonly id: number; readonly protocol: string }
  | { readonly type: 'data'; readonly id: number; readonly data: Uint8Array }
  | { readonly type: 'window'; readonly id: number; readonly bytes: number }
  | { readonly type: 'closeWrite' | 'closeRead' | 'reset'; readonly id: number };

type StreamFrame = Exclude<Frame, { readonly type: 'open' }>;

/** Of yamux, so that both weigh the same on the link. */
const frameHeaderBytes = 12;
/** How far a writer may run ahead of its reader; yamux begins with a quarter of that and ends at 16 times as much. */
const windowBytes = 1024 * 1024;
/** The reader says so when it has taken that much. */
const windowUpdateBytes = windowBytes / 2;
const maxDataBytes = maxSegmentBytes - frameHeaderBytes;
/**
 * How long what follows the opening of a stream waits for its handler. Negotiation gives a handler a round trip to
 * attach itself, and several of libp2p's rely on it: they never see an end that was there before them.
 */
const handlerMs = 10;
const protocol = '/lloom/sim-muxer/1.0.0';

class SimStream extends AbstractStream {
  readonly #send: (frame: Frame) => boolean;
  readonly #number: number;
  #windowBytes = windowBytes;
  #takenBytes = 0;
  /** What came before anybody listened. */
  #early: StreamFrame[] | undefined;

  constructor(init: AbstractStreamInit & { readonly number: number }, send: (frame: Frame) => boolean) {
    super({ ...init, maxMessageSize: maxDataBytes });
    this.#send = send;
    this.#number = init.number;
    this.#early = init.direction === 'inbound' ? [] : undefined;
  }

  override addEventListener(...args: Parameters<AbstractStream['addEventListener']>): void {
    super.addEventListener(...args);
    if (args[0] === 'message' && this.#early !== undefined) queueMicrotask(() => this.admit());
  }

  /** Hands over what has waited for a handler. */
  admit(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const frame of early) this.receive(frame);
  }

  receive(frame: StreamFrame): void {
    if (this.#early !== undefined && frame.type !== 'reset') this.#early.push(frame);
    else this.#take(frame);
  }

  #take(frame: StreamFrame): void {
    switch (frame.type) {
      case 'data':
        this.onData(frame.data);
        this.#takenBytes += frame.data.byteLength;
        this.#updateWindow();
        break;
      case 'window': {
        const wasEmpty = this.#windowBytes <= 0;
        this.#windowBytes += frame.bytes;
        if (wasEmpty && this.#windowBytes > 0) this.onMuxerDrain();
        break;
      }
      case 'closeWrite':
        this.onRemoteCloseWrite();
        break;
      case 'closeRead':
        this.onRemoteCloseRead();
        break;
      case 'reset':
        this.onRemoteReset();
        break;
    }
  }

  override sendData(data: Uint8ArrayList): SendResult {
    const sentBytes = Math.min(data.byteLength, this.#windowBytes);
    if (sentBytes <= 0) return { sentBytes: 0, canSendMore: false };
    this.#windowBytes -= sentBytes;
    const hasRoom = this.#send({
      type: 'data',
      id: this.#number,
      data: data.subarray(0, sentBytes).slice(),
    });
    return { sentBytes, canSendMore: hasRoom && this.#windowBytes > 0 };
  }

  override sendReset(): void {
    this.#send({ type: 'reset', id: this.#number });
  }

  override async sendCloseWrite(): Promise<void> {
    this.#send({ type: 'closeWrite', id: this.#number });
  }

  override async sendCloseRead(): Promise<void> {
    this.#send({ type: 'closeRead', id: this.#number });
  }

  override sendPause(): void {
    // The window is the brake: it is not refilled while nobody reads.
  }

  override sendResume(): void {
    this.#updateWindow();
  }

  #updateWindow(): void {
    if (this.readStatus !== 'readable') return;
    const bytes = this.#takenBytes - this.readBufferLength;
    if (bytes < windowUpdateBytes) return;
    this.#takenBytes -= bytes;
    this.#send({ type: 'window', id: this.#number, bytes });
  }
}

class SimMuxer extends AbstractStreamMuxer<SimStream> {
  readonly #connection: SimConnection;
  readonly #byNumber = new Map<number, SimStream>();
  #next: number;

  constructor(connection: SimConnection) {
    super(connection, { protocol, name: 'sim-muxer' });
    this.#connection = connection;
    this.#next = connection.direction === 'outbound' ? 1 : 2;
    connection.onFrames((frame) => this.#receive(frame as Frame));
  }

  override onCreateStream({ protocol: name = '' }: CreateStreamOptions): SimStream {
    const number = this.#next;
    this.#next += 2;
    const stream = this.#stream(number, { direction: 'outbound', protocol: name });
    this.#send({ type: 'open', id: number, protocol: name });
    return stream;
  }

  override onData(): void {
    throw new Error('Expected frames, got bytes');
  }

  #receive(frame: Frame): void {
    if (this.status !== 'open' && frame.type === 'open') return;
    if (frame.type === 'open') {
      const stream = this.#stream(frame.id, { direction: 'inbound', protocol: frame.protocol });
      this.#connection.delay(handlerMs, () => stream.admit());
      this.onRemoteStream(stream);
    } else {
      this.#byNumber.get(frame.id)?.receive(frame);
    }
  }

  #stream(number: number, init: Pick<AbstractStreamInit, 'direction' | 'protocol'>): SimStream {
    const log = this.log.newScope(`${init.direction}:${number}`);
    const stream = new SimStream({ ...init, id: `${number}`, number, log }, (frame) => this.#send(frame));
    this.#byNumber.set(number, stream);
    stream.addEventListener('close', () => this.#byNumber.delete(number));
    return stream;
  }

  #send(frame: Frame): boolean {
    const bytes = frameHeaderBytes + (frame.type === 'data' ? frame.data.byteLength : 0);
    const hasRoom = this.#connection.sendFrame(bytes, frame);
    if (!hasRoom) for (const stream of this.streams) stream.onMuxerNeedsDrain();
    return hasRoom;
  }
}

/** Streams over a {@link SimConnection} whose frames travel as objects: the cheapest muxer that still counts bytes. */
export const simMuxer: StreamMuxerFactory = {
  protocol,
  createStreamMuxer(connection: MessageStream): StreamMuxer {
    if (!(connection instanceof SimConnection)) {
      throw new Error('A simulated muxer needs a simulated connection without encryption');
    }
    return new SimMuxer(connection);
  },
};
