import type {
  ComponentLogger,
  Connection,
  Libp2pEvents,
  Logger,
  PeerId,
  PeerStore,
  Stream,
  TypedEventTarget,
} from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { AddressError, errorText, explainError, isTraced, orAbort, toPeerId } from '@lloom/core';
import { RpcError, type RpcErrorCode } from '../errors.ts';
import type { ByteStream, LogFields, Network, NetworkHosts, RequestRef, SessionLink } from '../ports.ts';
import { reqRespProtocol, sessionProtocol } from '../internal/protocolIds.ts';
import { bestOf, worthOf } from './bestConnection.ts';
import { Libp2pByteStream } from './byteStream.ts';
import { Libp2pSessionLink } from './sessionLink.ts';
import { SharedDials } from './sharedDial.ts';
import { SupersededLinks } from './supersededLinks.ts';

/** What the node lends to the service. */
export interface RpcComponents {
  readonly peerId: PeerId;
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle'>;
  readonly connectionManager: Pick<ConnectionManager, 'openConnection' | 'getConnections' | 'getDialQueue'>;
  readonly peerStore: Pick<PeerStore, 'get'>;
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>;
  readonly logger: ComponentLogger;
}

/**
 * Streams of one protocol and connection. Far above libp2p's 32 and 64, which fail without a word; the service has
 * limits of its own that answer `BUSY`, and the muxer ends at 1,000.
 */
const maxStreams = 900;
/** One is enough; a second one while the first is closing, and one to spare. */
const maxSessions = 3;
/** So many connections may close one after another under what is opened over them, before that fails. */
const maxConnections = 3;

/** Any protocol would do for a round trip; who does not speak it says so, and that is an answer as well. */
const roundTripProtocol = '/ipfs/ping/1.0.0';
const roundTripBytes = 32;

/** The network through libp2p. */
export class Libp2pNetwork implements Network {
  readonly peerId: string;
  readonly #components: RpcComponents;
  readonly #log: Logger;
  readonly #requestLog: Logger;
  /** For each connection, the end of the negotiation of its first stream: whether the peer has answered. */
  readonly #firstStreams = new WeakMap<Connection, Promise<boolean>>();
  /** The connections over which peers have asked something. */
  readonly #asking = new WeakSet<Connection>();
  /** The connections to peers that refused a session. */
  readonly #withoutSessions = new WeakSet<Connection>();
  readonly #protocols = new Set<string>();
  readonly #superseded: SupersededLinks;
  readonly #dials: SharedDials;

  constructor(components: RpcComponents) {
    const { events, connectionManager } = components;
    this.#components = components;
    this.#dials = new SharedDials(connectionManager);
    this.#superseded = new SupersededLinks(events, {
      connectionsOf: (peerId) => connectionManager.getConnections(peerId),
      onError: (error) => this.log('a connection could not be judged', error),
    });
    this.#log = components.logger.forComponent('lloom:rpc');
    this.#requestLog = components.logger.forComponent('lloom:rpc:requests');
    this.peerId = components.peerId.toString();
  }

  log(message: string, error: unknown, fields?: LogFields): void {
    const thrown = error instanceof Error ? error : new Error(errorText(error));
    if (fields === undefined) this.#log.error('%s - %e', message, thrown);
    else this.#log.error('%s %o - %e', message, fields, thrown);
  }

  get isTraced(): boolean {
    return isTraced(this.#requestLog);
  }

  trace(message: string, fields: LogFields): void {
    this.#requestLog.trace(message, fields);
  }

  async openSession(peerId: string, request: RequestRef): Promise<SessionLink | undefined> {
    const failure = failureOf(peerId, request.requestId, sessionProtocol);
    return this.#openOver(peerId, { ...request, failure }, async (connection) => {
      if (!(await this.#maySpeakSessions(connection))) return undefined;
      try {
        const stream = await this.#openStream(connection, sessionProtocol, request.signal);
        const link = new Libp2pSessionLink(stream, connection);
        this.#superseded.watch(link, stream, connection);
        return link;
      } catch (error) {
        // Those before it are still ending, over a connection that comes and goes as the best one.
        if (isTooMany(error)) return undefined;
        if (!isUnsupported(error)) throw failure('CONNECTION_CLOSED', error);
        this.#withoutSessions.add(connection);
        return undefined;
      }
    });
  }

  async open(
    peerId: string,
    { protocol, ...request }: RequestRef & { readonly protocol: string },
  ): Promise<ByteStream> {
    const failure = failureOf(peerId, request.requestId, protocol);
    return this.#openOver(peerId, { ...request, failure }, async (connection) => {
      try {
        return new Libp2pByteStream(await this.#openStream(connection, protocol, request.signal), connection);
      } catch (error) {
        if (isTooMany(error)) throw new RpcError('PENDING_LIMIT', { limit: maxStreams });
        throw failure(isUnsupported(error) ? 'UNSUPPORTED_PROTOCOL' : 'CONNECTION_CLOSED', error);
      }
    });
  }

  /**
   * Opens over the best connection. One that closes meanwhile, because another one takes its place or both sides have dialled at
   * once, says nothing of the peer, and nothing was sent: then it is opened over the next one.
   */
  async #openOver<T>(
    peerId: string,
    request: RequestRef & { readonly failure: FailureMaker },
    open: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    for (let left = maxConnections; ; left--) {
      let connection: Connection | undefined;
      try {
        connection = await this.#connect(peerId, request);
        return await open(connection);
      } catch (error) {
        if (left === 1 || request.signal.aborted || !this.#isLeft(connection, error)) throw error;
      }
    }
  }

  /** Whether something failed because the connection closed, or another one took its place. */
  #isLeft(connection: Connection | undefined, error: unknown): boolean {
    // What closes before libp2p has given it, `openConnection` fails with.
    if (connection === undefined)
      return RpcError.is(error, 'DIAL_FAILED') && isNamed(error.cause, 'ConnectionClosedError');
    if (!RpcError.is(error, 'CONNECTION_CLOSED')) return false;
    const best = bestOf(this.#components.connectionManager.getConnections(connection.remotePeer));
    return connection.status !== 'open' || (best !== undefined && worthOf(best) > worthOf(connection));
  }

  async serve({ onStream, onSession }: NetworkHosts): Promise<void> {
    await this.handle(reqRespProtocol, onStream);
    if (onSession === undefined) return;
    this.#protocols.add(sessionProtocol);
    await this.#components.registrar.handle(
      sessionProtocol,
      (stream: Stream, connection: Connection) => {
        this.#asking.add(connection);
        onSession(new Libp2pSessionLink(stream, connection), connection.remotePeer.toString());
      },
      { maxInboundStreams: maxSessions, maxOutboundStreams: maxSessions, runOnLimitedConnection: true },
    );
  }

  async unserve(): Promise<void> {
    await Promise.all([...this.#protocols].map((protocol) => this.unhandle(protocol)));
  }

  async handle(protocol: string, onStream: NetworkHosts['onStream']): Promise<void> {
    this.#protocols.add(protocol);
    await this.#components.registrar.handle(
      protocol,
      (stream: Stream, connection: Connection) => {
        this.#asking.add(connection);
        onStream(new Libp2pByteStream(stream, connection), connection.remotePeer.toString());
      },
      { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams, runOnLimitedConnection: true },
    );
  }

  async unhandle(protocol: string): Promise<void> {
    this.#protocols.delete(protocol);
    await this.#components.registrar.unhandle(protocol);
  }

  /** libp2p itself would dial again for each request where there is only a connection through a relay. */
  async #connect(
    peerId: string,
    { signal, failure }: RequestRef & { readonly failure: FailureMaker },
  ): Promise<Connection> {
    const { connectionManager } = this.#components;
    try {
      const peer = toPeerId(peerId);
      return bestOf(connectionManager.getConnections(peer)) ?? (await this.#dials.dial(peer, signal));
    } catch (error) {
      if (AddressError.is(error)) throw error;
      throw failure('DIAL_FAILED', error);
    }
  }

  /**
   * What identify told of the peer decides; before it has, trying does. A list may be there before identify is: libp2p
   * adds the protocol of each stream to it. So it tells only when it names one of ours.
   */
  async #maySpeakSessions(connection: Connection): Promise<boolean> {
    if (this.#withoutSessions.has(connection)) return false;
    try {
      const { protocols } = await this.#components.peerStore.get(connection.remotePeer);
      return protocols.includes(sessionProtocol) || !protocols.includes(reqRespProtocol);
    } catch {
      return true;
    }
  }

  /**
   * A connection that is new here may not be ready at the peer, which then resets all but a few streams without a
   * word, or ends the connection. So the first stream goes alone; its answer shows that the peer is ready. When it
   * fails, another one goes first.
   */
  async #openStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream> {
    const open = async (): Promise<Stream> => {
      const limits = { maxOutboundStreams: maxStreams, runOnLimitedConnection: true };
      const stream = await connection.newStream(protocol, { signal, ...limits });
      // A stream may be given that the peer has reset already; its `close` event is past.
      if (stream.status !== 'open') throw new Error(`the peer ${stream.status} the stream at once`);
      return stream;
    };
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
        const isRefused = isUnsupported(error);
        if (!isRefused) this.#firstStreams.delete(connection);
        return isRefused;
      },
    );
    this.#firstStreams.set(connection, settled);
    return stream;
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

type FailureMaker = (code: FailureCode, cause: unknown) => RpcError;
type FailureCode = 'DIAL_FAILED' | 'CONNECTION_CLOSED' | 'UNSUPPORTED_PROTOCOL';

/** Makes the errors of a request that never left. */
function failureOf(peerId: string, requestId: string, protocol: string): FailureMaker {
  return (code, cause) => {
    const data = {
      requestId,
      peerId,
      reason: explainError(cause),
      stage: 'dialing',
      outcome: 'not sent',
    } as const;
    return new RpcError<RpcErrorCode>(code, { ...data, protocol }, { cause });
  };
}

const isNamed = (error: unknown, name: string): boolean => error instanceof Error && error.name === name;

const isTooMany = (error: unknown): boolean => isNamed(error, 'TooManyOutboundProtocolStreamsError');

const isUnsupported = (error: unknown): boolean => isNamed(error, 'UnsupportedProtocolError');
