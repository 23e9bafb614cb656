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
} from '@libp2p/interface';
import type { AddressManager, ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { safe, toMultiaddr, toPeerId, withPeerId, type Clock } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { TypedEventTarget } from 'main-event';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';
import { DiscoveryError } from '../errors.ts';
import type {
  Exchange,
  ExchangeHandler,
  ExchangeRequest,
  LogFields,
  LocalDiscovery,
  LocalWatcher,
  Network,
  Relocation,
  Watcher,
} from '../ports.ts';
import type { FoundPeer } from '../types.ts';
import { Exchanges, protocols } from './exchanges.ts';
import { isMember, watchLocal } from './local.ts';
import { relocated } from './relocating.ts';

/** What the node lends to the service. */
export interface DiscoveryComponents {
  readonly peerId: PeerId;
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle' | 'getTopologies'>;
  readonly connectionManager: Pick<ConnectionManager, 'openConnection' | 'openStream' | 'getConnections'>;
  readonly addressManager: AddressManager;
  readonly peerStore: Pick<PeerStore, 'get' | 'merge' | 'patch'>;
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

/** Addresses of one peer that are dialled, or passed on: others may name any number. */
const maxAddresses = 16;
/** Connected peers that are shown to the DHT again at once. */
const maxIntroductions = 16;

/** What the adapter is given beside its configuration. */
export interface Libp2pPorts {
  readonly clock: Clock;
  readonly localDiscovery?: LocalDiscovery | undefined;
}

/** The network through libp2p. */
export class Libp2pNetwork implements Network {
  readonly peerId: string;
  readonly agentVersion: string | undefined;
  readonly #components: DiscoveryComponents;
  readonly #config: Libp2pConfig;
  readonly #logger: Logger;
  readonly #exchanges: Exchanges;
  readonly #localDiscovery: LocalDiscovery | undefined;

  constructor(components: DiscoveryComponents, config: Libp2pConfig, ports: Libp2pPorts) {
    const { registrar, connectionManager } = components;
    this.#components = components;
    this.#config = config;
    this.#localDiscovery = ports.localDiscovery;
    this.#exchanges = new Exchanges({
      registrar,
      connectionManager,
      clock: ports.clock,
      timeoutMs: config.descriptorTimeoutMs,
      onError: (text, error, fields) => this.logError(text, error, fields),
    });
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

  connectedPeers(): ReadonlySet<string> {
    const connections = this.#components.connectionManager.getConnections();
    const open = connections.filter(({ status }) => status === 'open');
    return new Set(open.map(({ remotePeer }) => remotePeer.toString()));
  }

  async remember(peerId: string, addresses: readonly string[]): Promise<void> {
    await this.#components.peerStore.merge(toPeerId(peerId), {
      multiaddrs: addresses.map((address) => toMultiaddr(address)),
      tags: { bootstrap: { value: 50 } },
    });
  }

  async relocate(peerId: string, relocation: Relocation): Promise<void> {
    if (this.isConnected(peerId)) return;
    const { peerStore } = this.#components;
    const id = toPeerId(peerId);
    const stored = await this.#knownPeer(id);
    if (stored === undefined && !relocation.isWanted) return;
    const known = stored?.addresses ?? [];
    const addresses = relocated(id, known, relocation);
    if (addresses === undefined) return;
    // An address that has expired stays hidden when it is written again: it has to be written away first.
    if (stored !== undefined) await peerStore.patch(id, { addresses: known });
    await peerStore.patch(id, { addresses });
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

  isMember(peerId: string, config: { readonly signal: AbortSignal }): Promise<boolean> {
    return isMember(this.#components, { peerId, kadProtocol: this.#config.kadProtocol }, config);
  }

  async watchLocal(watcher: LocalWatcher): Promise<() => Promise<void>> {
    const module = this.#localDiscovery?.(this.#components);
    if (module === undefined) return () => Promise.resolve();
    return watchLocal(module, watcher, (error) => this.logError('a listener failed', error));
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

  ask(peerId: string, request: ExchangeRequest): Promise<Uint8Array> {
    return this.#exchanges.ask(toPeerId(peerId), request);
  }

  serve(exchange: Exchange, answer: ExchangeHandler): Promise<void> {
    return this.#exchanges.serve(exchange, answer);
  }

  unserve(): Promise<void> {
    return this.#exchanges.stop();
  }

  async listeners(exchange: Exchange): Promise<readonly string[]> {
    const { connectionManager } = this.#components;
    const peers = new Map(
      connectionManager.getConnections().map(({ remotePeer }) => [remotePeer.toString(), remotePeer]),
    );
    const speaks = async (peer: PeerId): Promise<boolean> =>
      (await this.#knownPeer(peer))?.protocols.includes(protocols[exchange].name) === true;
    const answers = await Promise.all(
      [...peers].map(async ([id, peer]) => ((await speaks(peer)) ? [id] : [])),
    );
    return answers.flat();
  }

  watch(watcher: Watcher): () => void {
    const { events } = this.#components;
    const fail = (error: unknown): void => this.logError('a listener failed', error);
    const onIdentify = safe(({ detail }: CustomEvent<IdentifyResult>) => {
      if (detail.protocols.includes(protocols.announce.name)) watcher.onListener(detail.peerId.toString());
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

  log(text: string, fields: LogFields): void {
    this.#logger(`${text} %o`, fields);
  }

  logError(text: string, error: unknown, fields?: LogFields): void {
    if (fields === undefined) this.#logger.error(`${text} - %e`, error);
    else this.#logger.error(`${text} %o - %e`, fields, error);
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
