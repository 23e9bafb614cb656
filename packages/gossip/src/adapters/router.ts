import type { GossipSub } from '@libp2p/gossipsub';
import type {
  ComponentLogger,
  Libp2pEvents,
  Logger,
  PeerId,
  PeerRouting,
  PeerStore,
  PrivateKey,
} from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { isTraced, safe, toPeerId, type Clock, type Random } from '@lloom/core';
import type { TypedEventTarget } from 'main-event';
import type { ResolvedConfig } from '../config.ts';
import { meshParameters, type MeshParameters } from '../internal/meshSize.ts';
import type {
  DialCall,
  LogFields,
  ResolvedPorts,
  Router,
  RouterWatcher,
  Sent,
  TopicCandidate,
} from '../ports.ts';
import type { MeshSize, PeerScore } from '../types.ts';
import { arrived } from './arrived.ts';
import { Authors } from './authors.ts';
import { Backoffs } from './backoffs.ts';
import { CatchUp } from './catchUp.ts';
import { dialPeer, findCandidates, isConnected } from './finding.ts';
import { replaceInboundStreams } from './inboundStreams.ts';
import { internalsOf, type Internals } from './internals.ts';
import { Links } from './links.ts';
import { OutboundStreams } from './outboundStreams.ts';
import { Outbox, Turn, type OutboxLimits } from './outbox.ts';
import { createPubsub } from './pubsub.ts';
import { Receiving } from './receiving.ts';
import { peerScores } from './scores.ts';
import { Sending } from './sending.ts';
import { Tags } from './tags.ts';
import { replaceUpkeep } from './upkeep.ts';

/** What the node lends to the service. */
export interface GossipComponents {
  readonly peerId: PeerId;
  readonly privateKey: PrivateKey;
  readonly registrar: Registrar;
  readonly connectionManager: ConnectionManager;
  readonly peerStore: PeerStore;
  readonly events: TypedEventTarget<Libp2pEvents>;
  readonly logger: ComponentLogger;
  readonly peerRouting?: PeerRouting;
}

/** How the router is set up. */
export interface RouterSetup {
  readonly config: ResolvedConfig;
  readonly ports: ResolvedPorts;
  /** The application's score of a peer, from -100 to 100. */
  readonly scoreOf: (peerId: string) => number;
}

/** What waits for one neighbour that does not read: two seconds of a busy network, and some of the largest messages. */
const waitingBytes = 2 * 1024 * 1024;
const waitingMessages = 8;
const waitingControlBytes = 512 * 1024;
/** How long those stay out of a mesh that it has become too small for, in ms. */
const resizeBackoffMs = 5_000;
/** How long a stop waits for what was published just before it, in ms. */
const flushMs = 1_000;
/** And for its arrival at those who read. */
const arrivalMs = 2_000;
/** Counts as ten broken promises: far below every threshold, for some seconds. */
const violationPenalty = 10;

/** gossipsub, with what it leaves to be desired mended in this one instance. */
export class PubsubRouter implements Router {
  readonly pubsub: GossipSub;
  readonly peerId: string;
  readonly #components: GossipComponents;
  readonly #gossipsub: Internals;
  readonly #logger: Logger;
  readonly #messageLogger: Logger;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #turn = new Turn((text, error) => this.logError(text, error));
  readonly #links: Links;
  readonly #sending: Sending;
  readonly #receiving: Receiving;
  readonly #outbound: OutboundStreams;
  readonly #backoffs: Backoffs;
  readonly #tags: Tags;
  /** Starts and stops, one after the other. */
  #last: Promise<void> = Promise.resolve();
  #watcher: RouterWatcher | undefined;
  /** What holds from the next heartbeat on. */
  #resized: (MeshParameters & { readonly pruneBackoff: number }) | undefined;

  constructor(components: GossipComponents, setup: RouterSetup) {
    const { config, ports } = setup;
    const { connectionManager, peerId, privateKey } = components;
    this.#components = components;
    this.#logger = components.logger.forComponent('lloom:gossip');
    this.#messageLogger = components.logger.forComponent('lloom:gossip:messages');
    this.peerId = peerId.toString();
    this.pubsub = createPubsub(components, setup);
    const gossipsub = internalsOf(this.pubsub);
    this.#gossipsub = gossipsub;
    const onError = (text: string, error: unknown, fields?: LogFields): void =>
      this.logError(text, error, fields);
    const turn = this.#turn;
    this.#links = new Links(gossipsub, turn, (topic) => this.#watcher?.onLinks(topic));
    this.#sending = new Sending(gossipsub, { peerId, privateKey, config, ports });
    this.#receiving = new Receiving(gossipsub, {
      config,
      authors: new Authors(ports.keys),
      sending: this.#sending,
      watcher: () => this.#watcher,
      onError,
    });
    const limits: OutboxLimits = {
      messageBytes: Math.max(waitingBytes, waitingMessages * config.maxMessageBytes),
      controlBytes: waitingControlBytes,
    };
    const { clock, random } = ports;
    this.#random = random;
    this.#clock = clock;
    const catchUp = new CatchUp(gossipsub, turn, onError);
    const onChange = (id: string): void => {
      this.#links.changedFor(id);
      catchUp.meet(id);
    };
    this.#outbound = new OutboundStreams(gossipsub, {
      connectionManager,
      clock,
      random,
      turn,
      limits,
      onChange,
      onUnsupported: (peer) => this.#leave(peer),
      onError,
    });
    replaceInboundStreams(gossipsub, {
      receiving: this.#receiving,
      onViolation: (peer, error) => this.#cutOff(peer, error),
      onEnd: (peer) => this.#outbound.onInboundEnd(peer),
      onError,
    });
    this.#backoffs = new Backoffs(gossipsub, () => Date.now());
    this.#tags = new Tags(gossipsub, components.peerStore, onError);
    replaceUpkeep(gossipsub);
    gossipsub.addEventListener('gossipsub:heartbeat', this.#onHeartbeat);
    gossipsub.onPeerDisconnected = safe(
      (peer: PeerId) => this.#onLeft(peer),
      (error) => onError('a neighbour could not leave', error),
    );
  }

  start(watcher: RouterWatcher): Promise<void> {
    return this.#inTurn(() => this.#start(watcher));
  }

  async #start(watcher: RouterWatcher): Promise<void> {
    this.#watcher = watcher;
    this.#components.events.addEventListener('peer:disconnect', this.#onDisconnect);
    this.#backoffs.restore();
    await this.#gossipsub.start();
    await this.#meetConnected();
  }

  async flush(): Promise<void> {
    const clock = this.#clock;
    const outboxes = Array.from(this.#gossipsub.streamsOutbound.values(), (stream) =>
      stream instanceof Outbox ? stream.drained() : Promise.resolve(),
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimeout(() => resolve(), flushMs);
    await Promise.race([Promise.all(outboxes), promise]);
    clock.clearTimeout(timer);
    const { connectionManager } = this.#components;
    const neighbours = [...this.#gossipsub.streamsOutbound.keys()];
    const connections = connectionManager
      .getConnections()
      .filter(({ remotePeer }) => neighbours.includes(remotePeer.toString()));
    await arrived(connections, AbortSignal.timeout(arrivalMs));
    // What was handed to a connection leaves with its turn.
    await new Promise((next) => setImmediate(next));
  }

  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /** gossipsub that is stopped while it starts would be started in the end. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #stop(): Promise<void> {
    const gossipsub = this.#gossipsub;
    this.#components.events.removeEventListener('peer:disconnect', this.#onDisconnect);
    if (!gossipsub.isStarted()) return;
    for (const topic of [...gossipsub.subscriptions]) gossipsub.unsubscribe(topic);
    this.#watcher = undefined;
    this.#backoffs.keep();
    this.#tags.stop();
    this.#outbound.stop();
    this.#receiving.stop();
    // Its own goes on until the next heartbeat, and keeps the process alive for as long.
    clearTimeout(gossipsub.status.heartbeatTimeout);
    await gossipsub.stop();
    gossipsub.mcache.clear();
    gossipsub.score.scoreCache.clear();
  }

  subscribe(topic: string): void {
    this.#gossipsub.subscribe(topic);
    this.#links.changed(topic);
  }

  unsubscribe(topic: string): void {
    this.#gossipsub.unsubscribe(topic);
    this.#links.changed(topic);
  }

  async publish(topic: string, data: Uint8Array): Promise<Sent> {
    const { id, recipients } = await this.#sending.publish(topic, data);
    return { messageId: Buffer.from(id, 'latin1').toString('hex'), recipients };
  }

  topicPeers(topic: string): readonly string[] {
    const { topics, streamsOutbound } = this.#gossipsub;
    return [...(topics.get(topic) ?? [])].filter((id) => streamsOutbound.has(id));
  }

  meshPeers(topic: string): readonly string[] {
    return this.#gossipsub.getMeshPeers(topic);
  }

  isConnected(peerId: string): boolean {
    return isConnected(this.#components, toPeerId(peerId));
  }

  setMeshSize(size: MeshSize): void {
    const parameters = meshParameters(size);
    const { opts } = this.#gossipsub;
    const pruneBackoff = this.#resized?.pruneBackoff ?? opts.pruneBackoff;
    this.#resized = { ...parameters, pruneBackoff };
    // For one heartbeat: meshes are filled up to D, not only up to D_lo, and who is pruned by this may soon be grafted again.
    Object.assign(opts, parameters, { Dlo: parameters.D, pruneBackoff: resizeBackoffMs });
  }

  readonly #onHeartbeat = (): void => {
    if (this.#resized !== undefined) Object.assign(this.#gossipsub.opts, this.#resized);
    this.#resized = undefined;
  };

  get duplicates(): number {
    return this.#receiving.duplicates;
  }

  scores(): readonly PeerScore[] {
    return peerScores(this.#gossipsub);
  }

  find(_topic: string, config: { readonly signal: AbortSignal }): AsyncIterable<TopicCandidate> {
    const { protocols } = this.#gossipsub;
    return findCandidates(this.#components, protocols, { ...config, random: this.#random });
  }

  dial(peerId: string, addresses: readonly string[], config: DialCall): Promise<void> {
    return dialPeer(this.#components, { peerId, addresses }, config);
  }

  log(text: string, fields: LogFields): void {
    this.#logger(`${text} %o`, fields);
  }

  logError(text: string, error: unknown, fields?: LogFields): void {
    if (fields === undefined) this.#logger.error(`${text} - %e`, error);
    else this.#logger.error(`${text} %o - %e`, fields, error);
  }

  get isTraced(): boolean {
    return isTraced(this.#messageLogger);
  }

  trace(text: string, fields: LogFields): void {
    this.#messageLogger.trace(`${text} %o`, fields);
  }

  /** gossipsub hears of connections that begin; when it starts again there are some already. */
  async #meetConnected(): Promise<void> {
    const { connectionManager } = this.#components;
    for (const connection of connectionManager.getConnections()) {
      const { remotePeer, limits } = connection;
      if (limits !== undefined) continue;
      if (await this.#speaks(remotePeer)) this.#gossipsub.onPeerConnected(remotePeer, connection);
    }
  }

  readonly #onDisconnect = safe(
    ({ detail }: CustomEvent<PeerId>) => this.#leave(detail),
    (error) => this.logError('a listener failed', error),
  );

  /** libp2p says that a neighbour has left, or speaks the protocol no more. It tells late: it may be back already. */
  async #onLeft(peerId: PeerId): Promise<void> {
    if (!this.#gossipsub.peers.has(peerId.toString())) return;
    if (isConnected(this.#components, peerId) && (await this.#speaks(peerId))) return;
    this.#leave(peerId);
  }

  async #speaks(peerId: PeerId): Promise<boolean> {
    const peer = await this.#components.peerStore.get(peerId).catch(() => undefined);
    return peer?.protocols.some((name) => this.#gossipsub.protocols.includes(name)) === true;
  }

  #leave(peerId: PeerId): void {
    const id = peerId.toString();
    if (!this.#gossipsub.peers.has(id)) return;
    this.#links.changedFor(id);
    this.#outbound.forget(id);
    this.#gossipsub.removePeer(peerId);
  }

  #cutOff(peerId: PeerId, error: Error): void {
    const id = peerId.toString();
    this.logError('a neighbour broke the protocol', error, { peerId: id });
    // When it comes back it is not heard for a while.
    this.#gossipsub.score.addPenalty(id, violationPenalty, 'violation');
    this.#watcher?.onViolation(id);
    for (const connection of this.#components.connectionManager.getConnections(peerId))
      connection.abort(error);
  }
}
