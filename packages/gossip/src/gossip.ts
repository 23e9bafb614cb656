import type { GossipSub } from '@libp2p/gossipsub';
import { EventHub, Reports, safeMeter } from '@lloom/core';
import { Alarms } from './alarms.ts';
import type { Gossip } from './api.ts';
import { checkMeshSize, type ResolvedConfig } from './config.ts';
import { GossipError } from './errors.ts';
import type { GossipEvents } from './events.ts';
import { maxTopics } from './internal/bounds.ts';
import { Counts } from './internal/counts.ts';
import { Demerits } from './internal/demerits.ts';
import { findIn } from './internal/findIn.ts';
import { showGauges } from './internal/gauges.ts';
import { resolvePublish, topicName } from './internal/given.ts';
import { serviceCapabilities, serviceDependencies } from './internal/serviceSymbols.ts';
import type { Shared } from './internal/shared.ts';
import type { PeerFact, ResolvedPorts, Router, RouterWatcher, ScoreSource } from './ports.ts';
import { Publishing } from './publishing.ts';
import { Receiving } from './receiving.ts';
import { Searching } from './searching.ts';
import { Subscriptions } from './subscriptions.ts';
import { Topics } from './topics.ts';
import type {
  GossipSnapshot,
  MeshSize,
  PeerScore,
  PublishConfig,
  PublishReceipt,
  Topic,
  TopicConfig,
  TopicLike,
  TopicSnapshot,
} from './types.ts';

/** What runs from one start of the service to its stop. */
interface Running {
  /** Whether the router is started. */
  isReady: boolean;
  readonly alarms: Alarms;
  readonly searching: Searching;
  readonly subscriptions: Subscriptions;
}

/**
 * The router is deaf for minutes to whoever hands over five invalid messages at once, and nothing more is told of it: three are
 * told at once, or whoever is fast would stay connected.
 */
const bursts = { INVALID_MESSAGE: 3 };

/** The gossip service. Users hold it as {@link Gossip}; libp2p starts and stops it. */
export class GossipService extends EventHub<GossipEvents> implements Gossip {
  readonly [Symbol.toStringTag] = '@lloom/gossip';
  readonly [serviceDependencies]: string[] = ['@libp2p/identify'];
  readonly [serviceCapabilities]: string[] = ['@libp2p/pubsub'];
  readonly #shared: Shared;
  readonly #counts: Counts;
  readonly #topics: Topics;
  readonly #publishing: Publishing;
  readonly #receiving: Receiving;
  readonly #reports: Reports<PeerFact>;
  readonly #wanted = new Set<string>();
  #meshSize: MeshSize;
  #running: Running | undefined;

  /** @param createRouter makes the router; `scoreOf` is what it counts as the application's score */
  constructor(
    { config, ports }: { readonly config: ResolvedConfig; readonly ports: ResolvedPorts },
    createRouter: (scoreOf: ScoreSource['scoreOf']) => Router,
  ) {
    const demerits = new Demerits(ports.clock, config.maxMessagesPerSecond);
    const router = createRouter((peerId) => applicationScore(ports.score, demerits, peerId));
    super((error, type) => router.logError('a listener failed', error, { type }));
    const { clock, meter, reputation } = ports;
    const onError = (text: string, error: unknown): void => router.logError(text, error);
    this.#shared = { ...ports, config, router, events: this };
    this.#meshSize = config.meshSize;
    const onMeterError = (error: unknown): void => onError('the meter failed', error);
    this.#counts = new Counts({ clock, meter, onError: onMeterError });
    if (meter !== undefined)
      showGauges(safeMeter(meter, onMeterError), {
        topics: () => this.#ready?.subscriptions.snapshot() ?? [],
        alarms: () => this.#ready?.alarms.raised ?? [],
      });
    this.#reports = new Reports({ clock, reputation, bursts, onError });
    this.#topics = new Topics({ service: this, unreadable: (topic) => this.#unreadable(topic), onError });
    const common = { ...this.#shared, topics: this.#topics, counts: this.#counts };
    const onAlone = (topic: string): void => this.#ready?.searching.prompt(topic);
    this.#publishing = new Publishing({ ...common, onAlone });
    const alarms = (): Alarms | undefined => this.#ready?.alarms;
    const isRead = (topic: string): boolean => this.#ready !== undefined && this.#wanted.has(topic);
    this.#receiving = new Receiving({ ...common, demerits, reports: this.#reports, alarms, isRead });
  }

  get pubsub(): GossipSub {
    return this.#shared.router.pubsub;
  }

  /** Joins the wanted topics, and judges messages from now on. Called by libp2p. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { router } = this.#shared;
    const running = this.#begin();
    this.#running = running;
    try {
      await router.start(this.#watch(running));
      // It may have been stopped meanwhile.
      if (this.#running !== running) return;
      running.isReady = true;
      running.alarms.start();
      for (const topic of this.#wanted) running.subscriptions.begin(topic);
    } catch (error) {
      if (this.#running === running) {
        this.#end(running);
        await router.stop().catch((cause) => router.logError('the router could not be stopped', cause));
      }
      throw error;
    }
  }

  /** Lets go what was published just now: the connections end together with the services. Called by libp2p. */
  async beforeStop(): Promise<void> {
    if (this.#ready !== undefined) await this.#shared.router.flush();
  }

  /** Ends everything that is under way. Wanted topics are kept for the next start. Called by libp2p. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await this.beforeStop();
    if (this.#running !== running) return;
    this.#end(running);
    await this.#shared.router.stop();
  }

  async subscribeTopic(topic: TopicLike): Promise<void> {
    const name = topicName(topic);
    if (!this.#wanted.has(name) && this.#wanted.size >= maxTopics)
      throw new GossipError('TOO_MANY_TOPICS', { topic: name, limit: maxTopics });
    this.#ready?.subscriptions.begin(name);
    this.#wanted.add(name);
  }

  async unsubscribeTopic(topic: TopicLike): Promise<void> {
    const name = topicName(topic);
    if (!this.#wanted.delete(name)) return;
    this.#ready?.subscriptions.end(name);
    this.#topics.close(name);
  }

  async publishMessage(topic: TopicLike, message: unknown, config?: PublishConfig): Promise<PublishReceipt> {
    const name = topicName(topic);
    const call = resolvePublish(config, this.#shared.config.publishTimeoutMs);
    if (this.#ready === undefined) throw new GossipError('STOPPED', { act: `publishMessage("${name}")` });
    return this.#publishing.publish(name, message, call);
  }

  createTopic<T = Uint8Array>(name: string, config?: TopicConfig<T>): Topic<T> {
    return this.#topics.create(name, config) as Topic<T>;
  }

  subscribedTopics(): readonly string[] {
    return [...this.#wanted].toSorted();
  }

  topicPeers(topic: TopicLike): readonly string[] {
    const name = topicName(topic);
    return this.#ready === undefined ? [] : this.#shared.router.topicPeers(name);
  }

  gossipsubMeshPeers(topic: TopicLike): readonly string[] {
    const name = topicName(topic);
    return this.#ready === undefined ? [] : this.#shared.router.meshPeers(name);
  }

  setGossipsubMeshSize(target: number, high: number): void {
    this.#meshSize = checkMeshSize({ target, high });
    this.#shared.router.setMeshSize(this.#meshSize);
    this.#ready?.subscriptions.resize();
  }

  peerScores(): readonly PeerScore[] {
    return this.#ready === undefined ? [] : this.#shared.router.scores();
  }

  snapshot(): GossipSnapshot {
    const running = this.#ready;
    const topics = running?.subscriptions.snapshot() ?? [];
    const rest = [...this.#wanted].filter((name) => !topics.some(({ topic }) => topic === name));
    const waiting = rest.map((topic): TopicSnapshot => ({
      topic,
      state: 'joining',
      topicPeers: 0,
      meshPeers: 0,
    }));
    return {
      running: running !== undefined,
      topics: [...topics, ...waiting].toSorted((a, b) => (a.topic < b.topic ? -1 : 1)),
      alarms: running?.alarms.raised ?? [],
      accepted: this.#counts.accepted,
      dropped: this.#counts.dropped,
      duplicates: this.#shared.router.duplicates,
      pendingPublishes: this.#publishing.pending,
      pendingValidations: this.#receiving.pending,
    };
  }

  get #ready(): Running | undefined {
    return this.#running?.isReady === true ? this.#running : undefined;
  }

  #begin(): Running {
    const shared = this.#shared;
    const { router, dialer = router, topicPeers } = shared;
    const meshSize = (): MeshSize => this.#meshSize;
    const sources = topicPeers === undefined ? [router] : [topicPeers, router];
    const onError = (error: unknown): void => router.logError('a source of topic peers failed', error);
    const searching = new Searching({ ...shared, dialer, find: findIn(sources, onError), meshSize });
    const search = (topic: string, signal: AbortSignal): Promise<void> => searching.search(topic, signal);
    const subscriptions = new Subscriptions({ ...shared, search, meshSize });
    const alarms = new Alarms({ ...shared, links: () => subscriptions.links() });
    return { isReady: false, alarms, searching, subscriptions };
  }

  #watch({ searching, subscriptions }: Running): RouterWatcher {
    return {
      judge: (message) => this.#receiving.judge(message),
      onDropped: (source, reason) => this.#receiving.drop(source, reason),
      onLinks: (topic) => {
        subscriptions.onLinks(topic);
        searching.onLinks(topic);
        this.#publishing.onLinks(topic);
      },
      onViolation: (peerId) => this.#reports.tell(peerId, 'PROTOCOL_VIOLATION'),
    };
  }

  #end({ alarms, searching, subscriptions }: Running): void {
    this.#running = undefined;
    for (const part of [this.#publishing, this.#receiving, searching, subscriptions, alarms]) part.stop();
    this.#topics.closeAll();
    this.close();
  }

  #unreadable(topic: string): GossipError | undefined {
    if (!this.#wanted.has(topic)) return new GossipError('NOT_SUBSCRIBED', { topic });
    return this.#ready === undefined
      ? new GossipError('STOPPED', { act: `messages("${topic}")` })
      : undefined;
  }
}

/** Who is at -100 is not heard at all: no other part of its score makes up for this. */
const unheard = -150;

/** From -100 to 100: what the application holds of a peer, less what this service holds against it; or {@link unheard}. */
function applicationScore(source: ScoreSource | undefined, demerits: Demerits, peerId: string): number {
  let score = 0;
  try {
    score = source?.scoreOf(peerId) ?? 0;
  } catch {
    // Whoever cannot say what it holds of a peer holds nothing of it. Asked too often to be told each time.
  }
  const known = Number.isFinite(score) ? Math.max(-100, Math.min(100, score)) : 0;
  const left = known - demerits.of(peerId);
  return left > -100 ? left : unheard;
}
