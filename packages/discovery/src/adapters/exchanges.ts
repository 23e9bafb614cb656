import { lpStream, type LengthPrefixedStream } from '@libp2p/utils';
import type { PeerId, Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { limits } from '@lloom/codec';
import { orAbort, type Clock } from '@lloom/core';
import { startDeadline } from '../internal/deadline.ts';
import type { Exchange, ExchangeHandler } from '../ports.ts';

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

/** Streams of one connection. A peer asks one thing at a time; a few more may be closing. */
const maxStreamsPerConnection = 8;
/** Inbound streams of all connections, for each exchange; beyond, streams are reset. */
const maxInboundStreams = 64;
/** Room for the length prefix and for what a muxer delivers in one piece. */
const slackBytes = 1_024;

/** What exchanges need. */
export interface ExchangesPorts {
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle'>;
  readonly connectionManager: Pick<ConnectionManager, 'openStream'>;
  readonly clock: Clock;
  /** How long one inbound exchange may take, and a finished stream may linger, in ms. */
  readonly timeoutMs: number;
  readonly onError: (text: string, error: unknown) => void;
}

/** Exchanges of one frame for one frame. */
export class Exchanges {
  readonly #ports: ExchangesPorts;
  readonly #streams = new Set<Stream>();
  readonly #served = new Set<Exchange>();
  readonly #inbound: Record<Exchange, number> = { descriptor: 0, announce: 0, registry: 0 };

  constructor(ports: ExchangesPorts) {
    this.#ports = ports;
  }

  /** The frame with which a peer answers. */
  async ask(
    peerId: PeerId,
    request: { readonly exchange: Exchange; readonly frame: Uint8Array; readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const { exchange, frame, signal } = request;
    const { name, maxAnswerBytes } = protocols[exchange];
    const stream = await this.#ports.connectionManager.openStream(peerId, name, {
      signal,
      maxOutboundStreams: maxStreamsPerConnection,
      runOnLimitedConnection: true,
    });
    // A stream may be given that the peer has reset already; its `close` event is past.
    if (stream.status !== 'open') throw new Error(`the peer ${stream.status} the stream at once`);
    return this.#exchange(stream, maxAnswerBytes, async (frames) => {
      await frames.write(frame, { signal });
      await stream.close({ signal });
      return (await frames.read({ signal })).subarray();
    });
  }

  /** Answers peers from now on. */
  async serve(exchange: Exchange, answer: ExchangeHandler): Promise<void> {
    const { clock, onError, registrar, timeoutMs } = this.#ports;
    const { name, maxRequestBytes } = protocols[exchange];
    const handler = async (
      stream: Stream,
      { remotePeer }: { readonly remotePeer: PeerId },
    ): Promise<void> => {
      if (this.#inbound[exchange] >= maxInboundStreams)
        return stream.abort(new Error('too many streams at once'));
      this.#inbound[exchange]++;
      const deadline = startDeadline(clock, timeoutMs);
      const { signal } = deadline;
      try {
        await this.#exchange(stream, maxRequestBytes, async (frames) => {
          const request = (await frames.read({ signal })).subarray();
          await frames.write(await orAbort(answer(remotePeer.toString(), request), signal), { signal });
          await stream.close({ signal });
        });
      } catch (error) {
        onError(`could not answer a peer on ${name}`, error);
      } finally {
        deadline.clear();
        this.#inbound[exchange]--;
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
