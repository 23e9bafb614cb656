import {
  contentRoutingSymbol,
  NotFoundError,
  peerRoutingSymbol,
  serviceCapabilities,
  serviceDependencies,
} from '@libp2p/interface';
import type {
  Connection,
  ContentRouting,
  PeerId,
  PeerInfo,
  PeerRouting,
  Provider,
  RoutingOptions,
  Startable,
  Stream,
} from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { DhtMember, DhtTable } from '../internal/dhtTable.ts';
import type { Fabric, Host } from '../internal/fabric.ts';

type Cid = Parameters<ContentRouting['provide']>[0];
type Mode = 'client' | 'server';

/** Settings of kad-dht that count here; others are passed over. */
export interface DhtStandInConfig {
  /** Nodes with another one have another table. @default '/ipfs/kad/1.0.0' - that of kad-dht */
  readonly protocol?: string;
  /** On how many members something is put, and how many are named at most. @default 20 - that of kad-dht */
  readonly kBucketSize?: number;
}

/** What libp2p lends {@link DhtStandIn}. */
export interface DhtComponents {
  readonly peerId: PeerId;
  readonly registrar: {
    handle(protocol: string, handler: (stream: Stream) => void): Promise<void>;
    unhandle(protocol: string): Promise<void>;
  };
  readonly addressManager: { getAddresses(): Multiaddr[] };
  readonly connectionManager: { getConnections(): Connection[] };
}

/** Where a DHT stands. */
export interface DhtParts {
  readonly fabric: Fabric;
  readonly host: Host;
  readonly table: (protocol: string) => DhtTable;
}

/** The DHT that all nodes of a network share, as libp2p and its users see kad-dht. */
export interface SharedDht extends Startable {
  readonly [Symbol.toStringTag]: string;
  readonly [serviceCapabilities]: string[];
  readonly [serviceDependencies]: string[];
  readonly [contentRoutingSymbol]: ContentRouting;
  readonly [peerRoutingSymbol]: PeerRouting;
  /** On how many members something is put, and how many are named at most. */
  readonly k: number;
  readonly a: number;
  readonly d: number;
  readonly validators: Record<string, never>;
  readonly selectors: Record<string, never>;
  /** What kad-dht's own shows of its peers: those of the shared table that this node reaches. */
  readonly routingTable: {
    readonly size: number;
    find(peerId: PeerId): Promise<PeerId | undefined>;
    /** Whether a peer is in it; as `find`, at once. */
    holds(peerId: string): boolean;
  };
  getMode(): Mode;
  /** As a client it asks, and takes nothing. */
  setMode(mode: Mode): Promise<void>;
  /** Nothing to do: the table is that of all. */
  refreshRoutingTable(): Promise<void>;
  provide(cid: Cid, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent>;
  /** Takes back what {@link provide} put, at once and everywhere. */
  cancelReprovide(cid: Cid): Promise<void>;
  findProviders(cid: Cid, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent>;
  findPeer(peerId: PeerId, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent>;
  getClosestPeers(key: Uint8Array, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent>;
  put(key: Uint8Array, value: Uint8Array, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent>;
  get(key: Uint8Array, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent>;
}

/** Which of the paths of a query told something: there is one. */
interface QueryPath {
  readonly index: number;
  readonly queued: number;
  readonly running: number;
  readonly total: number;
}

/** What a query tells on its way, in the words of kad-dht. */
export type DhtStandInEvent =
  | {
      readonly name: 'PEER_RESPONSE';
      readonly type: 1;
      from: PeerId;
      messageName: Message;
      messageType: never;
      closer: PeerInfo[];
      providers: PeerInfo[];
      path: QueryPath;
    }
  | { readonly name: 'FINAL_PEER'; readonly type: 2; from: PeerId; peer: PeerInfo; path: QueryPath }
  | { readonly name: 'QUERY_ERROR'; readonly type: 3; from: PeerId; error: Error; path: QueryPath }
  | { readonly name: 'PROVIDER'; readonly type: 4; from: PeerId; providers: PeerInfo[]; path: QueryPath }
  | { readonly name: 'VALUE'; readonly type: 5; from: PeerId; value: Uint8Array; path: QueryPath };

type Message = 'ADD_PROVIDER' | 'GET_PROVIDERS' | 'FIND_NODE' | 'GET_VALUE' | 'PUT_VALUE';

const defaults: Required<DhtStandInConfig> = { protocol: '/ipfs/kad/1.0.0', kBucketSize: 20 };
/** How long a question waits for an answer that does not come. */
const silenceMs = 5_000;
const path: QueryPath = Object.freeze({ index: 0, queued: 0, running: 0, total: 1 });

/**
 * In place of `kadDHT()`: all nodes of a protocol share one table, and nobody sends anything. A question takes the round trip to
 * the nearest member that is reached.
 *
 * - A node that has no connection asks nobody, and finds nothing.
 * - What it puts is taken by the members nearest to the key that it reaches. Who reaches one of them finds it: both sides of a
 *   partition know what was there before, and each side what its own nodes put since.
 * - A node that reaches nobody has its questions fail after 5 s.
 * - What a node provides stays for 24 h, also when it dies, unless it withdraws it; it is not provided again by itself.
 * - Values are not validated: the last one put is found.
 */
export class DhtStandIn implements SharedDht {
  readonly [Symbol.toStringTag] = '@lloom/sim-dht';
  readonly [serviceCapabilities]: string[] = [
    '@libp2p/content-routing',
    '@libp2p/peer-routing',
    '@libp2p/kad-dht',
  ];
  readonly [serviceDependencies]: string[] = ['@libp2p/identify'];
  readonly k: number;
  readonly a = 1;
  readonly d = 1;
  readonly validators = {};
  readonly selectors = {};
  /** What kad-dht's own shows of its peers: those of the shared table that this node reaches. */
  readonly routingTable: DhtRoutingTable;
  readonly #parts: DhtParts;
  readonly #components: DhtComponents;
  readonly #protocol: string;
  readonly #table: DhtTable;
  #mode: Mode = 'server';
  #leave: (() => void) | undefined;
  #isStarted = false;

  constructor(parts: DhtParts, components: DhtComponents, config: DhtStandInConfig = {}) {
    const { protocol, kBucketSize } = { ...defaults, ...config };
    this.#parts = parts;
    this.#components = components;
    this.#protocol = protocol;
    this.#table = parts.table(protocol);
    this.k = kBucketSize;
    this.routingTable = new DhtRoutingTable(
      () => (this.#hasJoined ? this.#table.reached(parts.host) : []),
      (peerId) => this.#hasJoined && this.#table.reaches(parts.host, peerId),
    );
  }

  get [contentRoutingSymbol](): ContentRouting {
    return {
      provide: async (cid, options) => drain(this.provide(cid, options)),
      cancelReprovide: async (cid) => this.cancelReprovide(cid),
      findProviders: (cid, options) => this.#foundProviders(cid, options),
      put: async (key, value, options) => drain(this.put(key, value, options)),
      get: async (key, options) => {
        for await (const event of this.get(key, options)) if (event.name === 'VALUE') return event.value;
        throw new NotFoundError('Could not find value for key');
      },
    };
  }

  get [peerRoutingSymbol](): PeerRouting {
    return {
      findPeer: async (peerId, options) => {
        for await (const event of this.findPeer(peerId, options))
          if (event.name === 'FINAL_PEER') return event.peer;
        throw new NotFoundError('Peer not found');
      },
      getClosestPeers: (key, options) => this.#closest(key, options),
    };
  }

  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    await this.#enter();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#leave?.();
    this.#leave = undefined;
  }

  getMode(): Mode {
    return this.#mode;
  }

  /** As a client it asks, and takes nothing. */
  async setMode(mode: Mode): Promise<void> {
    if (mode === this.#mode) return;
    this.#mode = mode;
    if (!this.#isStarted) return;
    if (mode === 'server') return this.#enter();
    this.#leave?.();
    this.#leave = undefined;
    await this.#components.registrar.unhandle(this.#protocol);
  }

  /** Nothing to do: the table is that of all. */
  async refreshRoutingTable(): Promise<void> {}

  async *provide(cid: Cid, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent> {
    const key = cid.multihash.bytes;
    yield* this.#put('ADD_PROVIDER', key, {
      take: () => {
        const provider = {
          id: this.#components.peerId,
          multiaddrs: this.#components.addressManager.getAddresses(),
        };
        return this.#table.provide(this.#parts.host, key, { provider, count: this.k });
      },
      options,
    });
  }

  /** Takes back what {@link provide} put, at once and everywhere. */
  async cancelReprovide(cid: Cid): Promise<void> {
    this.#table.withdraw(cid.multihash.bytes, this.#components.peerId);
  }

  async *findProviders(cid: Cid, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent> {
    const key = cid.multihash.bytes;
    const from = yield* this.#ask('GET_PROVIDERS', key, options);
    if (from === undefined) return;
    const { host } = this.#parts;
    const known = this.#table.providers(host, key);
    // Where there are more than are named, nodes hear of different ones.
    const first = known.length > this.k ? host.index % known.length : 0;
    const providers = [...known.slice(first), ...known.slice(0, first)].slice(0, this.k);
    yield told({ name: 'PROVIDER', type: 4, from, providers, path }, options);
  }

  async *findPeer(peerId: PeerId, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent> {
    const from = yield* this.#ask('FIND_NODE', peerId.toMultihash().bytes, options);
    const member = from && this.#table.member(peerId);
    if (from !== undefined && member !== undefined) yield told(finalPeer(from, member), options);
  }

  async *getClosestPeers(key: Uint8Array, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent> {
    const from = yield* this.#ask('FIND_NODE', key, options);
    if (from === undefined) return;
    for (const member of this.#table.nearest(this.#parts.host, key, this.k))
      yield told(finalPeer(from, member), options);
  }

  async *put(key: Uint8Array, value: Uint8Array, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent> {
    const take = (): readonly DhtMember[] => this.#table.put(this.#parts.host, key, { value, count: this.k });
    yield* this.#put('PUT_VALUE', key, { take, options });
  }

  async *get(key: Uint8Array, options?: RoutingOptions): AsyncGenerator<DhtStandInEvent> {
    const from = yield* this.#ask('GET_VALUE', key, options);
    const value = from && this.#table.value(this.#parts.host, key);
    if (from !== undefined && value !== undefined)
      yield told({ name: 'VALUE', type: 5, from, value, path }, options);
  }

  async #enter(): Promise<void> {
    const { peerId, addressManager, registrar } = this.#components;
    if (this.#mode !== 'server') return;
    const addresses = (): Multiaddr[] => addressManager.getAddresses();
    this.#leave ??= this.#table.join({ peerId, host: this.#parts.host, addresses });
    await registrar.handle(this.#protocol, (stream) => stream.abort(new Error('nothing is said over it')));
  }

  get #hasJoined(): boolean {
    return this.#components.connectionManager.getConnections().some(({ status }) => status === 'open');
  }

  /** Lets the time of a question pass. Returns who answered, if anybody did. */
  async *#ask(
    message: Message,
    key: Uint8Array,
    options?: RoutingOptions,
  ): AsyncGenerator<DhtStandInEvent, PeerId | undefined> {
    const { host } = this.#parts;
    if (!this.#hasJoined) return undefined;
    const [asked] = this.#table.nearest(host, key, 1);
    if (asked === undefined) {
      if (!this.#table.hasOthers(host)) return undefined;
      await this.#wait(silenceMs, options?.signal);
      const error = new Error('no member of the DHT is reached');
      yield told({ name: 'QUERY_ERROR', type: 3, from: this.#components.peerId, error, path }, options);
      return undefined;
    }
    await this.#wait(this.#table.roundTripMs(host, asked), options?.signal);
    yield told(response(asked.peerId, message), options);
    return asked.peerId;
  }

  async *#put(
    message: Message,
    key: Uint8Array,
    { take, options }: { take: () => readonly DhtMember[]; options: RoutingOptions | undefined },
  ): AsyncGenerator<DhtStandInEvent> {
    if ((yield* this.#ask('FIND_NODE', key, options)) === undefined) return;
    for (const { peerId } of take()) yield told(response(peerId, message), options);
  }

  async *#foundProviders(cid: Cid, options?: RoutingOptions): AsyncGenerator<Provider> {
    for await (const event of this.findProviders(cid, options))
      if (event.name === 'PROVIDER') yield* event.providers.map((peer) => ({ ...peer, routing: 'sim-dht' }));
  }

  async *#closest(key: Uint8Array, options?: RoutingOptions): AsyncGenerator<PeerInfo> {
    for await (const event of this.getClosestPeers(key, options))
      if (event.name === 'FINAL_PEER') yield event.peer;
  }

  async #wait(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { clock } = this.#parts.fabric;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        clock.drop(entry);
        reject(signal!.reason as Error);
      };
      const entry = clock.at(clock.elapsed() + ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}

/** What of kad-dht's routing table is used: its types do not show it. */
export class DhtRoutingTable {
  readonly #reached: () => Iterable<DhtMember>;
  readonly #holds: (peerId: string) => boolean;
  readonly kb: { readonly toIterable: () => Iterable<{ readonly peerId: PeerId }> };

  constructor(reached: () => Iterable<DhtMember>, holds: (peerId: string) => boolean) {
    this.#reached = reached;
    this.#holds = holds;
    this.kb = { toIterable: reached };
  }

  get size(): number {
    let size = 0;
    for (const _ of this.#reached()) size += 1;
    return size;
  }

  async find(peerId: PeerId): Promise<PeerId | undefined> {
    for (const member of this.#reached()) if (member.peerId.equals(peerId)) return member.peerId;
    return undefined;
  }

  /** Whether a peer is in it; as {@link find}, at once. */
  holds(peerId: string): boolean {
    return this.#holds(peerId);
  }

  /** Nothing to do: whoever dies has left it. */
  async remove(): Promise<void> {}
}

const finalPeer = (from: PeerId, { peerId, addresses }: DhtMember): DhtStandInEvent => ({
  name: 'FINAL_PEER',
  type: 2,
  from,
  peer: { id: peerId, multiaddrs: addresses() },
  path,
});

/** The numbers of messages are kad-dht's own business. */
const response = (from: PeerId, messageName: Message): DhtStandInEvent => ({
  ...{ name: 'PEER_RESPONSE', type: 1, from, messageName, messageType: messageName as never },
  ...{ closer: [], providers: [], path },
});

/** Tells whoever follows the query, as libp2p's routers do. */
function told(event: DhtStandInEvent, options: RoutingOptions | undefined): DhtStandInEvent {
  const type = `kad-dht:query:${event.name.toLowerCase().replace('_', '-')}`;
  options?.onProgress?.(new CustomEvent(type, { detail: event }) as never);
  return event;
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}
