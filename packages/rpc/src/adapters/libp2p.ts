import type { ComponentLogger, Connection, Logger, PeerId, Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { AddressError, explainError, orAbort, toPeerId } from '@lloom/core';
import { RpcError, type RpcErrorCode } from '../errors.ts';
import type { ByteStream, Network } from '../ports.ts';
import { Libp2pByteStream } from './byteStream.ts';

/** The protocol: one request a stream. */
export const reqRespProtocol = '/lloom/req-resp/1.0.0';

/** What the node lends to the service. */
export interface RpcComponents {
  readonly peerId: PeerId;
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle'>;
  readonly connectionManager: Pick<ConnectionManager, 'openConnection' | 'getConnections'>;
  readonly logger: ComponentLogger;
}

/**
 * Streams of one protocol and connection. Far above libp2p's 32 and 64, which fail without a word; the service has
 * limits of its own that answer `BUSY`, and the muxer ends at 1,000.
 */
const maxStreams = 900;

/** Any protocol would do for a round trip; who does not speak it says so, and that is an answer as well. */
const roundTripProtocol = '/ipfs/ping/1.0.0';
const roundTripBytes = 32;

/** The network through libp2p. */
export class Libp2pNetwork implements Network {
  readonly peerId: string;
  readonly #components: RpcComponents;
  readonly #log: Logger;
  /** For each connection, the end of the negotiation of its first stream: whether the peer has answered. */
  readonly #firstStreams = new WeakMap<Connection, Promise<boolean>>();
  /** The connections over which peers have asked something. */
  readonly #asking = new WeakSet<Connection>();

  constructor(components: RpcComponents) {
    this.#components = components;
    this.#log = components.logger.forComponent('lloom:rpc');
    this.peerId = components.peerId.toString();
  }

  log(message: string, error: unknown): void {
    this.#log.error('%s - %e', message, error instanceof Error ? error : new Error(String(error)));
  }

  async open(
    peerId: string,
    { requestId, signal }: { readonly requestId: string; readonly signal: AbortSignal },
  ): Promise<ByteStream> {
    const fail = (
      code: 'DIAL_FAILED' | 'CONNECTION_CLOSED' | 'UNSUPPORTED_PROTOCOL',
      cause: unknown,
    ): RpcError => {
      const data = {
        requestId,
        peerId,
        reason: explainError(cause),
        stage: 'dialing',
        outcome: 'not sent',
      } as const;
      return new RpcError<RpcErrorCode>(code, { ...data, protocol: reqRespProtocol }, { cause });
    };
    let connection: Connection;
    try {
      connection = await this.#components.connectionManager.openConnection(toPeerId(peerId), { signal });
    } catch (error) {
      if (AddressError.is(error)) throw error;
      throw fail('DIAL_FAILED', error);
    }
    try {
      const stream = await this.#openStream(connection, signal);
      // A stream may be given that the peer has reset already; its `close` event is past.
      if (stream.status !== 'open') throw new Error(`the peer ${stream.status} the stream at once`);
      return new Libp2pByteStream(stream);
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      if (name === 'TooManyOutboundProtocolStreamsError')
        throw new RpcError('PENDING_LIMIT', { limit: maxStreams });
      throw fail(name === 'UnsupportedProtocolError' ? 'UNSUPPORTED_PROTOCOL' : 'CONNECTION_CLOSED', error);
    }
  }

  /**
   * A connection that is new here may not be ready at the peer, which then resets all but a few streams without a
   * word, or ends the connection. So the first stream goes alone; its answer shows that the peer is ready. When it
   * fails, another one goes first.
   */
  async #openStream(connection: Connection, signal: AbortSignal): Promise<Stream> {
    const open = (): Promise<Stream> =>
      connection.newStream(reqRespProtocol, {
        signal,
        maxOutboundStreams: maxStreams,
        runOnLimitedConnection: true,
      });
    let first = this.#firstStreams.get(connection);
    while (first !== undefined) {
      const isReady = await orAbort(first, signal);
      if (isReady) return open();
      first = this.#firstStreams.get(connection);
    }
    const stream = open();
    const settled = stream.then(
      () => true,
      (error: unknown) => {
        const isRefused = error instanceof Error && error.name === 'UnsupportedProtocolError';
        if (!isRefused) this.#firstStreams.delete(connection);
        return isRefused;
      },
    );
    this.#firstStreams.set(connection, settled);
    return stream;
  }

  async serve(onStream: (stream: ByteStream, peerId: string) => void): Promise<void> {
    await this.#components.registrar.handle(
      reqRespProtocol,
      (stream: Stream, connection: Connection) => {
        this.#asking.add(connection);
        onStream(new Libp2pByteStream(stream), connection.remotePeer.toString());
      },
      { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams, runOnLimitedConnection: true },
    );
  }

  async unserve(): Promise<void> {
    await this.#components.registrar.unhandle(reqRespProtocol);
  }

  async flush(signal: AbortSignal): Promise<void> {
    const connections = this.#components.connectionManager
      .getConnections()
      .filter((connection) => connection.status === 'open' && this.#asking.has(connection));
    await Promise.all(connections.map((connection) => this.#makeRoundTrip(connection, signal)));
  }

  /** Bytes of one connection arrive in order: a peer that answers has all that was written before. */
  async #makeRoundTrip(connection: Connection, signal: AbortSignal): Promise<void> {
    try {
      const config = { signal, maxOutboundStreams: maxStreams, runOnLimitedConnection: true };
      const stream = await connection.newStream(roundTripProtocol, config);
      const { promise, resolve } = Promise.withResolvers<void>();
      // Its end is an answer as well.
      for (const type of ['message', 'close'] as const)
        stream.addEventListener(type, () => resolve(), { once: true });
      stream.send(new Uint8Array(roundTripBytes));
      try {
        await orAbort(promise, signal);
      } finally {
        // An orderly end would have the peer write once more, to a connection that may be gone by then.
        stream.abort(new Error('the round trip is over'));
      }
    } catch (error) {
      connection.log('a round trip ended early - %e', error);
    }
  }
}
