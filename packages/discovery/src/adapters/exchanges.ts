import { lpStream, type LengthPrefixedStream } from '@libp2p/utils';
import type { Connection, PeerId, Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { limits } from '@lloom/codec';
import { orAbort, type Clock } from '@lloom/core';
import { startDeadline } from '../internal/deadline.ts';
import { Lanes } from '../internal/lanes.ts';
import type { Exchange, ExchangeHandler, ExchangeRequest, LogFields } from '../ports.ts';

/** How one exchange stands on the wire. */
interface Protocol {
  readonly name: string;
  readonly maxRequestBytes: number;
  readonly maxAnswerBytes: number;
}

/** One frame for one frame, a stream each. */
export const protocols: Readonly<Record<Exchange, Protocol>> = {
  // The request is a version number; more is not read.
  descriptor: {
    name: '/lloom/descriptor/1.0.0',
    maxRequestBytes: 64,
    maxAnswerBytes: limits.descriptorBytes,
  },
  // The answer is empty.
  announce: { name: '/lloom/announce/1.0.0', maxRequestBytes: limits.descriptorBytes, maxAnswerBytes: 64 },
  registry: {
    name: '/lloom/registry/1.0.0',
    maxRequestBytes: limits.registryQueryBytes,
    maxAnswerBytes: limits.registryBytes,
  },
};

/** Streams of one connection: those under way, and as many that are closing. */
const maxStreamsPerConnection = 8;
/** Streams of one peer under way, for each exchange, over all its connections: what is asked at once is asked in turns. */
const maxStreamsOfPeer = 4;
/** Inbound streams of all peers, for each exchange: a few peers cannot take them all. */
const maxInboundStreams = 64;
/** Room for the length prefix and for what a muxer delivers in one piece. */
const slackBytes = 1_024;

/** A stream of a peer that is being answered. */
interface Inbound {
  readonly peerId: string;
  readonly stream: Stream;
  /** Whether it waits for its peer, and not for this node. */
  isWaiting: boolean;
}

/** What exchanges need. */
export interface ExchangesPorts {
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle'>;
  readonly connectionManager: Pick<ConnectionManager, 'getConnections' | 'openConnection'>;
  readonly clock: Clock;
  /** How long one inbound exchange may take, and a finished stream may linger, in ms. */
  readonly timeoutMs: number;
  readonly onError: (text: string, error: unknown, fields: LogFields) => void;
}

/** Exchanges of one frame for one frame. */
export class Exchanges {
  readonly #ports: ExchangesPorts;
  readonly #streams = new Set<Stream>();
  readonly #served = new Set<Exchange>();
  readonly #outbound = new Lanes(maxStreamsOfPeer);
  /** In the order in which they came. */
  readonly #inbound: Readonly<Record<Exchange, Set<Inbound>>> = {
    descriptor: new Set(),
    announce: new Set(),
    registry: new Set(),
  };

  constructor(ports: ExchangesPorts) {
    this.#ports = ports;
  }

  /** The frame with which a peer answers. Of one peer and exchange four are asked for at a time, the others in order. */
  ask(peerId: PeerId, request: ExchangeRequest): Promise<Uint8Array> {
    const lane = `${request.exchange} ${peerId.toString()}`;
    return this.#outbound.run(lane, request, () => this.#ask(peerId, request));
  }

  /** Answers peers from now on. */
  async serve(exchange: Exchange, answer: ExchangeHandler): Promise<void> {
    const { clock, onError, registrar, timeoutMs } = this.#ports;
    const { name, maxRequestBytes } = protocols[exchange];
    const handler = async (
      stream: Stream,
      { remotePeer }: { readonly remotePeer: PeerId },
    ): Promise<void> => {
      const peerId = remotePeer.toString();
      const inbound: Inbound = { peerId, stream, isWaiting: true };
      if (!this.#admit(exchange, inbound)) return stream.abort(new Error('too many streams at once'));
      this.#inbound[exchange].add(inbound);
      const deadline = startDeadline(clock, timeoutMs);
      const { signal } = deadline;
      try {
        await this.#exchange(stream, maxRequestBytes, async (frames) => {
          const request = (await frames.read({ signal })).subarray();
          inbound.isWaiting = false;
          const frame = await orAbort(answer(peerId, request), signal);
          inbound.isWaiting = true;
          await frames.write(frame, { signal });
          await stream.close({ signal });
        });
      } catch (error) {
        onError('could not answer a peer', error, { peerId, protocol: name });
      } finally {
        deadline.clear();
        this.#inbound[exchange].delete(inbound);
      }
    };
    await registrar.handle(name, handler, {
      maxInboundStreams: maxStreamsPerConnection,
      maxOutboundStreams: maxStreamsPerConnection,
      runOnLimitedConnection: true,
    });
    this.#served.add(exchange);
  }

  /** Answers nobody any more, and ends what is under way. */
  async stop(): Promise<void> {
    for (const stream of [...this.#streams]) stream.abort(new Error('the discovery service stops'));
    for (const exchange of this.#served) await this.#ports.registrar.unhandle(protocols[exchange].name);
    this.#served.clear();
  }

  /** libp2p dials again where there is only a connection through a relay. */
  async #connectionTo(peerId: PeerId, signal: AbortSignal): Promise<Connection> {
    const { connectionManager } = this.#ports;
    const open = connectionManager.getConnections(peerId).filter(({ status }) => status === 'open');
    const direct = open.find(({ limits: relayed }) => relayed === undefined);
    return direct ?? open[0] ?? connectionManager.openConnection(peerId, { signal });
  }

  async #ask(peerId: PeerId, { exchange, frame, signal, onSent }: ExchangeRequest): Promise<Uint8Array> {
    const { name, maxAnswerBytes } = protocols[exchange];
    const connection = await this.#connectionTo(peerId, signal);
    const stream = await connection.newStream(name, {
      signal,
      maxOutboundStreams: maxStreamsPerConnection,
      runOnLimitedConnection: true,
    });
    // A stream may be given that the peer has reset already; its `close` event is past.
    if (stream.status !== 'open') throw new Error(`the peer ${stream.status} the stream at once`);
    return this.#exchange(stream, maxAnswerBytes, async (frames) => {
      await frames.write(frame, { signal });
      onSent?.();
      await stream.close({ signal });
      return (await frames.read({ signal })).subarray();
    });
  }

  /** Whether there is a place for a stream. When there is none, the oldest that waits for its peer gives way. */
  #admit(exchange: Exchange, { peerId }: Inbound): boolean {
    const inbound = this.#inbound[exchange];
    const all = [...inbound];
    const own = all.filter((other) => other.peerId === peerId);
    const isFull = own.length >= maxStreamsOfPeer;
    if (!isFull && all.length < maxInboundStreams) return true;
    const oldest = (isFull ? own : all).find(({ isWaiting }) => isWaiting);
    if (oldest === undefined) return false;
    inbound.delete(oldest);
    oldest.stream.abort(new Error('its place is needed for another stream'));
    return true;
  }

  /**
   * Runs an exchange of frames over a stream; resets the stream when it fails. One that went well is reset later, when
   * the peer leaves its end open for too long.
   */
  async #exchange<T>(
    stream: Stream,
    maxFrameBytes: number,
    exchange: (frames: LengthPrefixedStream) => Promise<T>,
  ): Promise<T> {
    // Nothing may be awaited before the stream has its reader: bytes that arrive earlier could be lost.
    const frames = lpStream(stream, {
      maxDataLength: maxFrameBytes,
      maxBufferSize: maxFrameBytes + slackBytes,
    });
    this.#streams.add(stream);
    try {
      const result = await exchange(frames);
      this.#linger(stream);
      return result;
    } catch (error) {
      this.#streams.delete(stream);
      stream.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #linger(stream: Stream): void {
    const { clock, timeoutMs } = this.#ports;
    const end = (): void => {
      clock.clearTimeout(timer);
      this.#streams.delete(stream);
    };
    const abort = (): void => stream.abort(new Error('the peer left its end of the stream open'));
    const timer = clock.setTimeout(abort, timeoutMs);
    if (stream.status === 'open') stream.addEventListener('close', end, { once: true });
    else end();
  }
}
