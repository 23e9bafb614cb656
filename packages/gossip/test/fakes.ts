import type { GossipSub } from '@libp2p/gossipsub';
import { encodeGossipMessage, type GossipMessage } from '@lloom/codec';
import type { Clock, GaugeSample, Meter, MeterLabels, MetricFamily } from '@lloom/core';
import { expect } from 'vitest';
import { resolveGossipConfig, type GossipConfig } from '../src/config.ts';
import type { GossipEvents } from '../src/events.ts';
import { GossipService } from '../src/gossip.ts';
import type {
  DialCall,
  GossipPorts,
  Incoming,
  Judgement,
  Router,
  RouterWatcher,
  Sent,
  TopicCandidate,
} from '../src/ports.ts';
import type { MeshSize, PeerScore } from '../src/types.ts';
import { settled } from './machines.ts';

export { settled } from './machines.ts';

/** Peer ids that exist nowhere. */
export const peerIds = {
  alice: '12D3KooWCp1tCweCvJ2TUMUEN2wPZSe7JPo4aCny9bERmEoZgoBk',
  bob: '12D3KooWDimFt5AwAPTSFDiUFcKtN9Ucee9KsXgYVE9EG5fccpXa',
  carol: '12D3KooWQWVtjNTayeWSFUvF9BvuLHTAYxi5xK2LFbFYCYxYWAq1',
  dave: '12D3KooWKNp7owBSTDYHfcEztRzKwXvKpefeuaTAX9uJ4ZprGXVx',
};

/** Names of many peers. */
export const crowd = (count: number): string[] => Array.from({ length: count }, (_, at) => `peer-${at}`);

/** Time that moves when a test says so, for services and machines. Counts what still waits. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  #aheadMs = 0;
  #nextId = 1;
  readonly #timers = new Map<number, { readonly at: number; readonly fn: () => void }>();

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return Math.floor(this.#now) + this.#aheadMs;
  }

  /** Sets the wall clock this much ahead, or back. */
  set(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }

  elapsed(): number {
    return this.#now - 1_700_000_000_000;
  }

  setTimeout(fn: () => void, ms: number): unknown {
    this.#timers.set(this.#nextId, { at: this.#now + ms, fn });
    return this.#nextId++;
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number);
  }

  /** Moves on, timer by timer; whatever a timer sets off goes on before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#timers].toSorted(([, a], [, b]) => a.at - b.at);
      if (next === undefined || next[1].at > end) break;
      this.#timers.delete(next[0]);
      this.#now = next[1].at;
      next[1].fn();
    }
    this.#now = end;
    await settled();
  }

  /** Moves on at once; timers are not looked at. */
  skip(ms: number): void {
    this.#now += ms;
  }
}

/** A network whose every answer a test can replace. */
export class FakeRouter implements Router {
  readonly pubsub = { fake: true } as unknown as GossipSub;
  readonly peerId: string;
  watcher: RouterWatcher | undefined;
  meshSize: MeshSize | undefined;
  readonly subscribed = new Set<string>();
  readonly connected = new Set<string>();
  readonly sent: { readonly topic: string; readonly data: Uint8Array }[] = [];
  readonly dialled: string[] = [];
  readonly errors: unknown[] = [];
  isTraced = false;
  readonly traced: object[] = [];
  readonly #peers = new Map<string, readonly string[]>();
  readonly #meshes = new Map<string, readonly string[]>();
  onStart: () => Promise<void> = () => Promise.resolve();
  onPublish: (topic: string, data: Uint8Array) => Promise<Sent> = (topic) =>
    Promise.resolve({ messageId: `${this.sent.length}`, recipients: this.topicPeers(topic) });
  onDial: (peerId: string, call: DialCall) => Promise<void> = () => Promise.resolve();
  onFind: (topic: string, signal: AbortSignal) => AsyncIterable<TopicCandidate> = () => named();

  constructor(peerId: string) {
    this.peerId = peerId;
  }

  async start(watcher: RouterWatcher): Promise<void> {
    await this.onStart();
    this.watcher = watcher;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.watcher = undefined;
    this.subscribed.clear();
    return Promise.resolve();
  }

  subscribe(topic: string): void {
    if (this.watcher === undefined) throw new Error('it is not started');
    this.subscribed.add(topic);
  }

  unsubscribe(topic: string): void {
    this.subscribed.delete(topic);
  }

  async publish(topic: string, data: Uint8Array): Promise<Sent> {
    const sent = await this.onPublish(topic, data);
    if (sent.recipients.length > 0) this.sent.push({ topic, data });
    return sent;
  }

  topicPeers(topic: string): readonly string[] {
    return this.#peers.get(topic) ?? [];
  }

  meshPeers(topic: string): readonly string[] {
    return this.#meshes.get(topic) ?? [];
  }

  isConnected(peerId: string): boolean {
    return this.connected.has(peerId);
  }

  async dial(peerId: string, _: readonly string[], call: DialCall): Promise<void> {
    this.dialled.push(peerId);
    await this.onDial(peerId, call);
    this.connected.add(peerId);
  }

  find(topic: string, { signal }: { readonly signal: AbortSignal }): AsyncIterable<TopicCandidate> {
    return this.onFind(topic, signal);
  }

  setMeshSize(size: MeshSize): void {
    this.meshSize = size;
  }

  readonly duplicates = 0;

  scores(): readonly PeerScore[] {
    return [];
  }

  log(): void {}

  logError(_: string, error: unknown): void {
    this.errors.push(error);
  }

  trace(text: string, fields: object): void {
    this.traced.push({ text, ...fields });
  }

  /** Who is subscribed to a topic, and who of them is in its mesh. */
  link(topic: string, peers: readonly string[], mesh: readonly string[] = peers): void {
    this.#peers.set(topic, peers);
    this.#meshes.set(topic, mesh);
    this.watcher?.onLinks(topic);
  }
}

/** Names these peers, one after the other, then ends. */
export async function* named(...ids: readonly string[]): AsyncGenerator<TopicCandidate> {
  for (const peerId of ids) yield { peerId, addresses: ['/ip4/127.0.0.1/tcp/5001'] };
}

/** Never ends, unless the signal ends it. */
export const never = <T>(signal?: AbortSignal): Promise<T> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });

/** A meter that remembers. */
export class FakeMeter implements Meter {
  /** What was counted, by the name and the values of the labels. */
  readonly totals: Record<string, number> = {};
  /** What was counted or could have been. */
  readonly known: string[] = [];
  readonly values: Record<string, number[]> = {};
  readonly #gauges = new Map<string, () => number | readonly GaugeSample[]>();

  counter({ name }: MetricFamily, labels: MeterLabels = {}): (by?: number) => void {
    const key = keyOf(name, labels);
    this.known.push(key);
    return (by = 1) => (this.totals[key] = (this.totals[key] ?? 0) + by);
  }

  histogram({ name }: MetricFamily, labels: MeterLabels = {}): (value: number) => void {
    const key = keyOf(name, labels);
    this.known.push(key);
    return (value) => (this.values[key] ??= []).push(value);
  }

  gauge({ name }: MetricFamily, read: () => number | readonly GaugeSample[]): void {
    this.#gauges.set(name, read);
  }

  /** What a gauge shows now. */
  read(name: string): Record<string, number> {
    const read = this.#gauges.get(name)?.() ?? [];
    const samples = typeof read === 'number' ? [{ labels: {}, value: read }] : read;
    return Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
  }
}

const keyOf = (name: string, labels: MeterLabels): string => [name, ...Object.values(labels)].join(' ');

const prices = { inboundPrice: '1000', outboundPrice: '2000' };

/** Messages as users write them. */
export const inputs = {
  available: { type: 'executorAvailable', models: ['demo-small'], capacity: 4, pricing: prices },
  offline: { type: 'executorOffline', reason: 'maintenance' },
  metrics: {
    type: 'networkMetrics',
    totalPeers: 3,
    activeExecutors: 1,
    activeRequests: 0,
    averageLatencyMs: 5,
  },
  price: { type: 'priceUpdate', model: 'demo-small', newPrice: prices, effectiveAt: 1_700_000_000_000 },
} as const;

/** A message of a peer as it comes in. */
export function incoming(
  topic: string,
  content:
    | Uint8Array
    | (Partial<GossipMessage> & { readonly type: GossipMessage['type']; readonly peerId?: string }),
  more: Partial<Incoming> = {},
): Incoming {
  const author = 'author' in more ? more.author : peerIds.bob;
  const data =
    content instanceof Uint8Array
      ? content
      : encodeGossipMessage({ peerId: author, timestampMs: 0, sequence: 1, ...content } as GossipMessage);
  return { topic, data, author, source: peerIds.bob, sequenceNumber: 1n, ...more };
}

/** A service over a fake network. Started unless a test wants otherwise. */
export async function createService(given: GossipConfig & GossipPorts & { readonly started?: boolean } = {}) {
  const { started = true, ...config } = given;
  const clock = new FakeClock();
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };
  let scoreOf: (peerId: string) => number = () => Number.NaN;
  let router: FakeRouter | undefined;
  const service = new GossipService(resolveGossipConfig({ clock, random, ...config }), (score) => {
    scoreOf = score;
    return (router = new FakeRouter(peerIds.alice));
  });
  if (router === undefined) throw new Error('there is no router');
  const network: FakeRouter = router;
  if (started) await service.start();
  /** Hands a message to the service as a neighbour does; delivers it when it is accepted. */
  const hear = (message: Incoming): Promise<Judgement['verdict']> | Judgement['verdict'] => {
    const judgement = network.watcher?.judge(message);
    if (judgement === undefined) throw new Error('the service is not started');
    const take = ({ verdict, deliver }: Judgement): Judgement['verdict'] => {
      deliver?.();
      return verdict;
    };
    return judgement instanceof Promise ? judgement.then(take) : take(judgement);
  };
  return { service, router: network, clock, scoreOf, hear };
}

/** Every event of a name, from now on. */
export function collect<K extends keyof GossipEvents>(service: GossipService, type: K): GossipEvents[K][] {
  const details: GossipEvents[K][] = [];
  service.addEventListener(type, ({ detail }) => details.push(detail));
  return details;
}

/** What a promise was rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have been rejected'),
    (error: unknown) => error,
  );
}

/** What a call threw. */
export function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return expect.unreachable('it should have thrown');
}
