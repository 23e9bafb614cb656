import type { Connection, PeerId, Stream } from '@libp2p/interface';
import { peerIdFromMultihash } from '@libp2p/peer-id';
import { lpStream, type LengthPrefixedStream } from '@libp2p/utils';
import { errorText, systemClock, toPeerId, type Clock, withSignal } from '@lloom/core';
import { Circuit } from '@multiformats/multiaddr-matcher';
import { decode as decodeMultihash } from 'multiformats/hashes/digest';

import { networkOfIp } from '../internal/admission.ts';
import { CircuitCounts } from '../internal/circuitCounts.ts';
import { EndedCircuits } from '../internal/endedCircuits.ts';
import { relayedBytesFamily } from '../internal/families.ts';
import type { RelayHost } from '../internal/relayHost.ts';
import {
  decodeHopRequest,
  decodeStopStatus,
  encodeHopAnswer,
  encodeStopRequest,
  maxRelayMessageBytes,
  relayStatus,
  type CircuitLimit,
  type HopAnswer,
  type RelayStatus,
} from '../internal/relayMessages.ts';
import { RelayPlaces } from '../internal/relayPlaces.ts';
import { circuitShares, placesPerNetwork, type Taker } from '../internal/shares.ts';
import type { NatComponents, NatPorts } from '../ports.ts';
import type { RelayedCircuit, RelayServerConfig } from '../types.ts';
import { seenIpOf } from './endpoints.ts';
import { joinStreams, type JoinedStreams } from './joinStreams.ts';

const hopProtocol = '/libp2p/circuit/relay/0.2.0/hop';
const stopProtocol = '/libp2p/circuit/relay/0.2.0/stop';
/** As libp2p names it: such a peer is worth a little more when connections have to go. */
const placeTag = 'circuit-relay-source';

/** For all that is said before bytes pass: as libp2p. */
const hopLimitMs = 30_000;
/** Connections for each place, on average: each costs this node two streams, */
const maxCircuitsPerPlace = 4;
/** and in all. */
const maxCircuits = 4_096;
/** As many connections to one peer pass through one connection with it: as many as our client takes, libp2p's takes 300. */
const maxStopStreams = 1_024;
/** Requests under way on one connection, those that became connections among them: as many as libp2p has for any protocol. */
const maxHopStreams = 32;
/** An answer has at most 4 KiB. */
const maxAddresses = 16;
/** Clients take longer times for milliseconds, since js-libp2p's relay writes those into the field of seconds. */
const maxSeconds = 9_999;

/**
 * Relays by circuit relay v2. libp2p's own relay is not used: it cannot change its configuration, announces milliseconds as
 * seconds, joins any number of connections for one peer, and keeps a timer for each place beyond its end.
 */
export function libp2pRelayHost(
  components: NatComponents,
  { clock = systemClock, meter }: NatPorts,
): RelayHost {
  return new Libp2pRelayHost(components, { clock, onBytes: meter?.counter(relayedBytesFamily) });
}

/** One request, until it is answered. */
interface Request {
  readonly connection: Connection;
  readonly hop: LengthPrefixedStream<Stream>;
  readonly config: Required<RelayServerConfig>;
  readonly signal: AbortSignal;
}

/** A connection through this node. */
interface OpenCircuit extends Pick<RelayedCircuit, 'from' | 'to' | 'openedAt'> {
  readonly joined: JoinedStreams;
}

class Libp2pRelayHost implements RelayHost {
  readonly #components: NatComponents;
  readonly #clock: Clock;
  readonly #places: RelayPlaces;
  readonly #onBytes: ((bytes: number) => void) | undefined;
  readonly #circuits = new CircuitCounts();
  /** By the stream to whom it leads. */
  readonly #open = new Map<Stream, OpenCircuit>();
  readonly #past = new EndedCircuits();
  #config: Required<RelayServerConfig> | undefined;
  /** Ends what is under way. */
  #running = new AbortController();

  constructor(
    components: NatComponents,
    { clock, onBytes }: { readonly clock: Clock; readonly onBytes: ((bytes: number) => void) | undefined },
  ) {
    this.#components = components;
    this.#clock = clock;
    this.#onBytes = onBytes;
    const { connectionManager } = components;
    this.#places = new RelayPlaces((peerId) => connectionManager.getConnections(toPeerId(peerId)).length > 0);
  }

  async open(config: Required<RelayServerConfig>): Promise<void> {
    const before = this.#config;
    this.#config = config;
    if (before !== undefined) return;
    this.#running = new AbortController();
    try {
      const limits = { maxInboundStreams: maxHopStreams };
      await this.#components.registrar.handle(hopProtocol, this.#onHop, limits);
    } catch (error) {
      this.#config = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#config === undefined) return;
    this.#config = undefined;
    this.#running.abort(new Error('this node does not relay any more'));
    await this.#components.registrar.unhandle(hopProtocol);
    for (const peerId of this.#places.clear()) await this.#tag(toPeerId(peerId), undefined);
  }

  circuits(peerId?: string): readonly RelayedCircuit[] {
    const found: RelayedCircuit[] = [];
    for (const circuit of this.#open.values()) {
      if (peerId === undefined || circuit.from === peerId || circuit.to === peerId) found.push(told(circuit));
    }
    return found;
  }

  endedCircuits(peerId?: string): readonly RelayedCircuit[] {
    return this.#past.list(this.#clock.elapsed(), peerId);
  }

  get circuitCount(): number {
    return this.#open.size;
  }

  get places(): number {
    return this.#places.countAt(this.#clock.elapsed());
  }

  get placesLimit(): number {
    return this.#config?.maxReservations ?? 0;
  }

  readonly #onHop = async (stream: Stream, connection: Connection): Promise<void> => {
    const config = this.#config;
    const running = this.#running.signal;
    if (config === undefined) {
      stream.abort(new Error('this node does not relay'));
      return;
    }
    const hop = lpStream(stream, {
      maxDataLength: maxRelayMessageBytes,
      maxBufferSize: 2 * maxRelayMessageBytes,
    });
    const limit = { clock: this.#clock, ms: hopLimitMs, signal: running };
    await withSignal(limit, async (signal) => {
      try {
        await this.#handle({ connection, hop, config, signal });
      } catch (error) {
        this.#log('a request to relay failed', error);
        stream.abort(error instanceof Error ? error : new Error(errorText(error)));
      }
    });
  };

  async #handle(request: Request): Promise<void> {
    const { connection, hop, signal } = request;
    const bytes = await hop.read({ signal });
    let wanted;
    try {
      wanted = decodeHopRequest(bytes.subarray());
    } catch {
      return refuse(request, relayStatus.malformedMessage);
    }
    // Through another relay nobody gets a place here, nor a connection.
    if (Circuit.matches(connection.remoteAddr)) return refuse(request, relayStatus.permissionDenied);
    switch (wanted.type) {
      case 'reserve':
        return this.#reserve(request);
      case 'connect':
        return this.#connect(request, wanted.peer);
      default:
        return refuse(request, relayStatus.unexpectedMessage);
    }
  }

  async #reserve(request: Request): Promise<void> {
    const { config, connection, signal } = request;
    const { addressManager, connectionGater } = this.#components;
    const { remotePeer } = connection;
    if ((await connectionGater.denyInboundRelayReservation?.(remotePeer)) === true) {
      return refuse(request, relayStatus.permissionDenied);
    }
    signal.throwIfAborted();
    const peerId = remotePeer.toString();
    const { maxReservations, reservationTtlMs } = config;
    const now = this.#clock.elapsed();
    const isNew = !this.#places.has(peerId, now);
    const bounds = { most: maxReservations, perNetwork: placesPerNetwork(maxReservations) };
    if (!this.#places.take(takerOf(connection), { endsAt: now + reservationTtlMs, now, ...bounds })) {
      return refuse(request, relayStatus.reservationRefused);
    }
    try {
      await this.#tag(remotePeer, reservationTtlMs);
      const direct = addressManager.getAddresses().filter((address) => !Circuit.matches(address));
      await answer(request, {
        status: relayStatus.ok,
        reservation: {
          expiresAtSeconds: Math.floor((this.#clock.now() + reservationTtlMs) / 1_000),
          addresses: direct.slice(0, maxAddresses).map(({ bytes }) => bytes),
        },
        ...limitOf(config),
      });
    } catch (error) {
      if (isNew) this.#places.release(peerId);
      throw error;
    }
  }

  async #connect(request: Request, multihash: Uint8Array): Promise<void> {
    let target: PeerId;
    try {
      target = peerIdFromMultihash(decodeMultihash(multihash));
    } catch {
      return refuse(request, relayStatus.malformedMessage);
    }
    if (!this.#places.has(target.toString(), this.#clock.elapsed())) {
      return refuse(request, relayStatus.noReservation);
    }
    const total = Math.min(maxCircuitsPerPlace * request.config.maxReservations, maxCircuits);
    const release = this.#circuits.take(takerOf(request.connection), { total, ...circuitShares(total) });
    if (release === undefined) return refuse(request, relayStatus.resourceLimitExceeded);
    let isJoined = false;
    try {
      isJoined = await this.#join(request, target, release);
    } finally {
      if (!isJoined) release();
    }
  }

  /** Whether bytes pass from now on; `onEnd` is called when they do not any more. */
  async #join(request: Request, target: PeerId, onEnd: () => void): Promise<boolean> {
    const { connectionGater, connectionManager } = this.#components;
    const { config, connection, hop, signal } = request;
    if ((await connectionGater.denyOutboundRelayedConnection?.(connection.remotePeer, target)) === true) {
      await refuse(request, relayStatus.permissionDenied);
      return false;
    }
    const way = connectionManager
      .getConnections(target)
      .find(({ status, limits, remoteAddr }) => status === 'open' && !limits && !Circuit.matches(remoteAddr));
    if (way === undefined) {
      await refuse(request, relayStatus.noReservation);
      return false;
    }
    const limit = limitOf(config);
    const other = await this.#call(way, { source: connection.remotePeer, ...limit, signal });
    if (other === undefined) {
      await refuse(request, relayStatus.connectionFailed);
      return false;
    }
    try {
      await hop.write(frame({ status: relayStatus.ok, ...limit }), { signal });
      signal.throwIfAborted();
    } catch (error) {
      other.abort(new Error('the other side is gone'));
      throw error;
    }
    const joined = joinStreams(hop.unwrap(), other, {
      clock: this.#clock,
      maxBytes: config.maxConnectionBytes,
      maxMs: config.maxConnectionBytes === Infinity ? Infinity : config.maxConnectionMs,
      signal: this.#running.signal,
      onBytes: this.#onBytes,
      onEnd: () => {
        this.#ended(other);
        onEnd();
      },
      onError: (error) => this.#log('a relayed connection failed', error),
    });
    if (joined.isOver) return true;
    const [from, to] = [connection.remotePeer.toString(), target.toString()];
    this.#open.set(other, { from, to, openedAt: this.#clock.now(), joined });
    return true;
  }

  /** A connection carries nothing any more. */
  #ended(other: Stream): void {
    const circuit = this.#open.get(other);
    if (circuit === undefined) return;
    this.#open.delete(other);
    const endedAt = this.#clock.now();
    this.#past.add({ ...told(circuit), endedAt }, this.#clock.elapsed());
    const log = this.#components.logger.forComponent('lloom:nat:relay');
    if (!log.enabled) return;
    const { from, to, openedAt, joined } = circuit;
    const ms = Math.round(endedAt - openedAt);
    log.trace('a relayed connection ended %o', { from, to, bytes: joined.bytes, ms });
  }

  /** A stream to a peer that has agreed to be connected with another. */
  async #call(
    way: Connection,
    call: { readonly source: PeerId; readonly limit?: CircuitLimit; readonly signal: AbortSignal },
  ): Promise<Stream | undefined> {
    const { source, limit, signal } = call;
    let stream: Stream | undefined;
    try {
      stream = await way.newStream(stopProtocol, { signal, maxOutboundStreams: maxStopStreams });
      const stop = lpStream(stream, { maxDataLength: maxRelayMessageBytes });
      await stop.write(encodeStopRequest(source.toMultihash().bytes, limit), { signal });
      const status = decodeStopStatus((await stop.read({ signal })).subarray());
      if (status !== relayStatus.ok) throw new Error(`its answer is ${status ?? 'none'}`);
      return stop.unwrap();
    } catch (error) {
      this.#log('a peer was not to be connected with another', error);
      stream?.abort(new Error('it did not agree'));
      return undefined;
    }
  }

  /** Sets the tag of a place for so long, or takes it away. */
  async #tag(peerId: PeerId, ttl: number | undefined): Promise<void> {
    const tag = ttl === undefined ? undefined : { value: 1, ttl };
    try {
      await this.#components.peerStore.merge(peerId, { tags: { [placeTag]: tag } });
    } catch (error) {
      this.#log('a peer with a place cannot be noted', error);
    }
  }

  #log(message: string, error: unknown): void {
    this.#components.logger.forComponent('lloom:nat:relay')('%s: %s', message, errorText(error));
  }
}

/** What is told of one connection to whoever asks this node. */
function told({ from, to, openedAt, joined }: OpenCircuit): RelayedCircuit {
  const { bytes, bytesLeft } = joined;
  return { from, to, openedAt, bytes, ...(Number.isFinite(bytesLeft) && { bytesLeft }) };
}

/** What is announced of one connection. */
function limitOf(config: Required<RelayServerConfig>): { readonly limit?: CircuitLimit } {
  const { maxConnectionBytes: bytes, maxConnectionMs } = config;
  if (bytes === Infinity) return {};
  return { limit: { bytes, seconds: Math.min(Math.floor(maxConnectionMs / 1_000), maxSeconds) } };
}

/** Who asks, and from where, as the connection says it. */
function takerOf({ remoteAddr, remotePeer }: Connection): Taker {
  const seen = seenIpOf(remoteAddr);
  const isElsewhere = seen !== undefined && seen.scope !== 'loopback';
  return { peerId: remotePeer.toString(), network: isElsewhere ? networkOfIp(seen.ip) : undefined };
}

const frame = (message: HopAnswer): Uint8Array => encodeHopAnswer(message);

/** Says the last word on a request. */
async function answer({ hop, signal }: Request, message: HopAnswer): Promise<void> {
  await hop.write(frame(message), { signal });
  await hop.unwrap().close({ signal });
}

const refuse = (request: Request, status: RelayStatus): Promise<void> => answer(request, { status });
