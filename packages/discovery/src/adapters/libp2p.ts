import { lpStream } from '@libp2p/utils';
import type { LengthPrefixedStream } from '@libp2p/utils';
import type {
  ComponentLogger,
  ContentRouting,
  IdentifyResult,
  Libp2pEvents,
  Logger,
  Peer,
  PeerId,
  PeerRouting,
  PeerStore,
  RoutingOptions,
  Stream,
} from '@libp2p/interface';
import type { AddressManager, ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { decodeDescriptorRequest, encodeDescriptorRequest, limits } from '@lloom/codec';
import { safe, toMultiaddr, toPeerId, withPeerId, type Clock, orAbort } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { TypedEventTarget } from 'main-event';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';
import { DiscoveryError } from '../errors.ts';
import { startDeadline } from '../internal/deadline.ts';
import type { Network, Watcher } from '../ports.ts';
import type { FoundPeer } from '../types.ts';

/** The protocol: one request and one answer a stream. */
export const descriptorProtocol = '/lloom/descriptor/1.0.0';

/** What the node lends to the service. */
export interface DiscoveryComponents {
  readonly peerId: PeerId;
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle' | 'getTopologies'>;
  readonly connectionManager: Pick<ConnectionManager, 'openConnection' | 'openStream' | 'getConnections'>;
  readonly addressManager: Pick<AddressManager, 'getAddresses'>;
  readonly peerStore: Pick<PeerStore, 'get' | 'merge'>;
  readonly contentRouting: Pick<ContentRouting, 'provide' | 'cancelReprovide' | 'findProviders'>;
  readonly peerRouting: Pick<PeerRouting, 'getClosestPeers'>;
  readonly events: TypedEventTarget<Libp2pEvents>;
  readonly logger: ComponentLogger;
  readonly nodeInfo?: { readonly userAgent: string };
}

/** What the adapter needs of the configuration. */
export interface Libp2pConfig {
  readonly kadProtocol: string;
  /** How long one inbound exchange may take, and a finished stream may linger. */
  readonly descriptorTimeoutMs: number;
}

/** Streams of one connection. A peer asks one descriptor at a time; a few more may be closing. */
const maxStreamsPerConnection = 8;
/** Inbound streams of all connections; beyond, streams are reset. */
const maxInboundStreams = 64;
/** The request is a version number; more is not read. */
const maxRequestBytes = 64;
/** Room for the length prefix and for what a muxer delivers in one piece. */
const slackBytes = 1_024;
/** Addresses of one peer that are dialled, or passed on: others may name any number. */
const maxAddresses = 16;
/** Connected peers that are shown to the DHT again at once. */
const maxIntroductions = 16;

/** The network through libp2p. */
export class Libp2pNetwork implements Network {
  readonly peerId: string;
  readonly agentVersion: string | undefined;
  readonly #components: DiscoveryComponents;
  readonly #config: Libp2pConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #streams = new Set<Stream>();
  #inbound = 0;

  constructor(components: DiscoveryComponents, config: Libp2pConfig, clock: Clock) {
    this.#components = components;
    this.#config = config;
    this.#clock = clock;
    this.#logger = components.logger.forComponent('lloom:discovery');
    this.peerId = components.peerId.toString();
    this.agentVersion = components.nodeInfo?.userAgent;
  }

  addresses(): readonly string[] {
    return this.#components.addressManager.getAddresses().map((address) => address.toString());
  }

  isConnected(peerId: string): boolean {
    const connections = this.#components.connectionManager.getConnections(toPeerId(peerId));
    return connections.some(({ status }) => status === 'open');
  }

  async remember(peerId: string, addresses: readonly string[]): Promise<void> {
    await this.#components.peerStore.merge(toPeerId(peerId), {
      multiaddrs: addresses.map((address) => toMultiaddr(address)),
      tags: { bootstrap: { value: 50 } },
    });
  }

  async dial(
    peerId: string,
    addresses: readonly string[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    if (this.isConnected(peerId)) return;
    const peer = toPeerId(peerId);
    const given = addresses.map((address) => withPeerId(toMultiaddr(address), peer));
    const stored = (await this.#knownPeer(peer))?.addresses ?? [];
    const known = stored.map(({ multiaddr }) => withPeerId(multiaddr, peer));
    const all = new Map([...given, ...known].map((address) => [address.toString(), address]));
    const target = all.size > 0 ? [...all.values()].slice(0, maxAddresses) : peer;
    try {
      await this.#components.connectionManager.openConnection(target, { signal });
    } catch (error) {
      // A caller that gave up has not met silence.
      throw signal.aborted ? error : explainSilence(error);
    }
  }

  async provide(key: string, { signal }: { readonly signal: AbortSignal }): Promise<number> {
    let taken = 0;
    const onProgress: RoutingOptions['onProgress'] = (event) => {
      const { type, messageName } = toKadEvent(event);
      if (type === 'peer-response' && messageName === 'ADD_PROVIDER') taken++;
    };
    await this.#routed(key, async (cid) =>
      this.#components.contentRouting.provide(cid, { signal, onProgress }),
    );
    return taken;
  }

  async retire(key: string): Promise<void> {
    await this.#routed(key, async (cid) => this.#components.contentRouting.cancelReprovide(cid));
  }

  async *find(key: string, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<FoundPeer> {
    const { contentRouting, peerId } = this.#components;
    let [answers, failures] = [0, 0];
    const onProgress: RoutingOptions['onProgress'] = (event) => {
      const { type, from } = toKadEvent(event);
      if (type === 'peer-response' && from?.equals(peerId) !== true) answers++;
      if (type === 'query-error') failures++;
    };
    try {
      for await (const found of contentRouting.findProviders(await cidOf(key), { signal, onProgress })) {
        yield toFoundPeer(found.id, found.multiaddrs);
      }
    } catch (error) {
      throw asNoDht(error, key);
    }
    // The DHT ends well even when not one peer answered: nobody found is then not the same as nobody there.
    if (failures > 0 && answers === 0) throw new Error('no peer of the DHT answered');
  }

  async findSelf({ signal }: { readonly signal: AbortSignal }): Promise<number> {
    const { peerId, peerRouting } = this.#components;
    let found = 0;
    try {
      for await (const { id } of peerRouting.getClosestPeers(peerId.toMultihash().bytes, { signal })) {
        if (!id.equals(peerId)) found++;
      }
    } catch (error) {
      throw asNoDht(error, `peer ${this.peerId}`);
    }
    if (found === 0) {
      const fail = (error: unknown): void => this.logError('could not introduce peers to the DHT', error);
      await this.#introduce().catch(fail);
    }
    return found;
  }

  async ask(peerId: string, { signal }: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    const stream = await this.#components.connectionManager.openStream(toPeerId(peerId), descriptorProtocol, {
      signal,
      maxOutboundStreams: maxStreamsPerConnection,
      runOnLimitedConnection: true,
    });
    // A stream may be given that the peer has reset already; its `close` event is past.
    if (stream.status !== 'open') throw new Error(`the peer ${stream.status} the stream at once`);
    return this.#exchange(stream, limits.descriptorBytes, async (frames) => {
      await frames.write(encodeDescriptorRequest(), { signal });
      await stream.close({ signal });
      return (await frames.read({ signal })).subarray();
    });
  }

  async serve(answer: () => Promise<Uint8Array>): Promise<void> {
    const handler = async (stream: Stream): Promise<void> => {
      if (this.#inbound >= maxInboundStreams) return stream.abort(new Error('too many streams at once'));
      this.#inbound++;
      const deadline = startDeadline(this.#clock, this.#config.descriptorTimeoutMs);
      const { signal } = deadline;
      try {
        await this.#exchange(stream, maxRequestBytes, async (frames) => {
          decodeDescriptorRequest((await frames.read({ signal })).subarray());
          await frames.write(await orAbort(answer(), signal), { signal });
          await stream.close({ signal });
        });
      } catch (error) {
        this.logError('could not answer a peer that asked for the descriptor', error);
      } finally {
        deadline.clear();
        this.#inbound--;
      }
    };
    await this.#components.registrar.handle(descriptorProtocol, handler, {
      maxInboundStreams: maxStreamsPerConnection,
      maxOutboundStreams: maxStreamsPerConnection,
      runOnLimitedConnection: true,
    });
  }

  async unserve(): Promise<void> {
    for (const stream of [...this.#streams]) stream.abort(new Error('the discovery service stops'));
    await this.#components.registrar.unhandle(descriptorProtocol);
  }

  watch(watcher: Watcher): () => void {
    const { events } = this.#components;
    const fail = (error: unknown): void => this.logError('a listener failed', error);
    const onIdentify = safe(({ detail }: CustomEvent<IdentifyResult>) => {
      if (!detail.protocols.includes(this.#config.kadProtocol)) return;
      watcher.onPeer(toFoundPeer(detail.peerId, detail.listenAddrs));
    }, fail);
    const onDisconnect = safe(
      ({ detail }: CustomEvent<PeerId>) => watcher.onDisconnect(detail.toString()),
      fail,
    );
    const onAddresses = safe(() => watcher.onAddresses(), fail);
    events.addEventListener('peer:identify', onIdentify);
    events.addEventListener('peer:disconnect', onDisconnect);
    events.addEventListener('self:peer:update', onAddresses);
    events.addEventListener('transport:listening', onAddresses);
    return () => {
      events.removeEventListener('peer:identify', onIdentify);
      events.removeEventListener('peer:disconnect', onDisconnect);
      events.removeEventListener('self:peer:update', onAddresses);
      events.removeEventListener('transport:listening', onAddresses);
    };
  }

  log(text: string, fields: Readonly<Record<string, string | number>>): void {
    this.#logger(`${text} %o`, fields);
  }

  logError(text: string, error: unknown): void {
    this.#logger.error(`${text} - %e`, error);
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
    const end = (): void => {
      this.#clock.clearTimeout(timer);
      this.#streams.delete(stream);
    };
    const abort = (): void => stream.abort(new Error('the peer left its end of the stream open'));
    const timer = this.#clock.setTimeout(abort, this.#config.descriptorTimeoutMs);
    if (stream.status === 'open') stream.addEventListener('close', end, { once: true });
    else end();
  }

  /**
   * Shows the DHT once more who is connected. It pings a peer when it is identified, and leaves out for good whoever
   * was too slow that one time: a node whose only peer that was would stay alone.
   */
  async #introduce(): Promise<void> {
    const { connectionManager, registrar } = this.#components;
    const { kadProtocol } = this.#config;
    for (const connection of connectionManager.getConnections().slice(0, maxIntroductions)) {
      const { remotePeer } = connection;
      const peer = await this.#knownPeer(remotePeer);
      if (peer?.protocols.includes(kadProtocol) !== true) continue;
      for (const topology of registrar.getTopologies(kadProtocol))
        await topology.onConnect?.(remotePeer, connection);
    }
  }

  async #knownPeer(peerId: PeerId): Promise<Peer | undefined> {
    try {
      return await this.#components.peerStore.get(peerId);
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return undefined;
      throw error;
    }
  }

  async #routed(key: string, act: (cid: CID) => Promise<void>): Promise<void> {
    try {
      await act(await cidOf(key));
    } catch (error) {
      throw asNoDht(error, key);
    }
  }
}

/** The DHT accepts sha2-256 hashes as keys and nothing else, and shows it by resetting the stream. */
async function cidOf(key: string): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(key)));
}

/** libp2p's own word for: no content routing or peer routing was set up. */
function asNoDht(error: unknown, key: string): unknown {
  const name = error instanceof Error ? error.name : '';
  const isMissing = name === 'NoContentRoutersError' || name === 'NoPeerRoutersError';
  return isMissing ? new DiscoveryError('NO_DHT', { key }, { cause: error }) : error;
}

/** libp2p has a limit of its own for each address, and calls it an abort; nobody has aborted anything. */
function explainSilence(error: unknown): unknown {
  if (error instanceof AggregateError)
    return new AggregateError(error.errors.map(explainSilence), error.message);
  const isSilence = error instanceof Error && error.message.includes('operation was aborted');
  return isSilence ? new Error('no answer in time', { cause: error }) : error;
}

/** What the DHT reports while it works: the only trace of who answered, and who did not. */
function toKadEvent(event: { readonly type: string; readonly detail?: unknown }): {
  readonly type: string;
  readonly messageName?: string;
  readonly from?: PeerId;
} {
  return { ...(event.detail as object | undefined), type: event.type.replace('kad-dht:query:', '') };
}

function toFoundPeer(peerId: PeerId, addresses: readonly Multiaddr[]): FoundPeer {
  const texts = addresses.slice(0, maxAddresses).map((address) => address.toString());
  return { peerId: peerId.toString(), addresses: texts };
}
