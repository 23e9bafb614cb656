import type { Connection, Stream } from '@libp2p/interface';
import { byteStream } from '@libp2p/utils';
import type { Clock } from '@lloom/core';

import { nameOf } from './records.ts';

/** The protocol of libp2p's ping service. */
export const pingProtocol = '/ipfs/ping/1.0.0';

const length = 32;
/**
 * Errors that prove as much as an answer: the peer does not know the protocol, or has ended the stream with something
 * else than an answer. The last one tells nothing of the peer, but that streams enough are open on the connection, each
 * with a time limit of its own.
 */
const signsOfLife: readonly unknown[] = [
  'UnsupportedProtocolError',
  'StreamResetError',
  'UnexpectedEOFError',
  'TooManyOutboundProtocolStreamsError',
];
const closedMuxer: readonly unknown[] = ['ConnectionClosedError', 'MuxerClosedError'];

/** Pings the peer of one connection. Anybody may use the figure afterwards: it is kept as the connection's `rtt`. */
export class ConnectionPing {
  readonly #connection: Connection;
  readonly #clock: Clock;
  #last: Stream | undefined;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** The round trip in ms. Rejects when nothing comes back before `signal` fires. */
  async run(signal: AbortSignal): Promise<number> {
    const connection = this.#connection;
    // A peer that never closes its side would collect them.
    this.#last?.abort(new Error('a newer ping is sent'));
    this.#last = undefined;
    const beganAt = this.#clock.elapsed();
    try {
      const rtt = await this.#exchange(signal);
      connection.rtt = rtt;
      return rtt;
    } catch (error) {
      if (connection.status !== 'open') throw error;
      // The peer has closed the muxer, or broken its rules, and left the connection open: libp2p keeps such a one.
      if (closedMuxer.includes(nameOf(error))) connection.abort(errorOf(error));
      if (!signsOfLife.includes(nameOf(error))) throw error;
      const tookMs = this.#clock.elapsed() - beganAt;
      // A refusal comes with the first answer, which is one round trip; the others say nothing of time.
      if (nameOf(error) === 'UnsupportedProtocolError') connection.rtt = tookMs;
      return connection.rtt ?? tookMs;
    }
  }

  async #exchange(signal: AbortSignal): Promise<number> {
    // libp2p takes the larger limit of the ping service instead, if the node has one.
    const streamConfig = { signal, runOnLimitedConnection: true, maxOutboundStreams: 2 };
    const stream = await this.#connection.newStream(pingProtocol, streamConfig);
    try {
      const bytes = byteStream(stream);
      const sent = crypto.getRandomValues(new Uint8Array(length));
      const sentAt = this.#clock.elapsed();
      const [received] = await Promise.all([
        bytes.read({ bytes: length, signal }),
        bytes.write(sent, { signal }),
      ]);
      const rtt = this.#clock.elapsed() - sentAt;
      if (received.subarray().some((byte, index) => byte !== sent[index]))
        throw new Error('another answer than was asked for');
      this.#keepUntilClosed(stream);
      void this.#close(stream, signal);
      return rtt;
    } catch (error) {
      stream.abort(errorOf(error));
      throw error;
    }
  }

  /** A stream that is closed is not kept: it is ten times as large as what is known of the connection. */
  #keepUntilClosed(stream: Stream): void {
    this.#last = stream;
    const forget = (): void => {
      if (this.#last === stream) this.#last = undefined;
    };
    stream.addEventListener('close', forget, { once: true });
  }

  async #close(stream: Stream, signal: AbortSignal): Promise<void> {
    try {
      await stream.close({ signal });
    } catch (error) {
      stream.abort(errorOf(error));
    }
  }
}

const errorOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
