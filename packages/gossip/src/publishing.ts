import { CodecError, decodeGossipMessage, encodeGossipMessage, type GossipMessage } from '@lloom/codec';
import { errorText, RecentMap } from '@lloom/core';
import { GossipError } from './errors.ts';
import type { Counts } from './internal/counts.ts';
import { shown, type ResolvedPublish } from './internal/given.ts';
import { Outbox, type Outgoing } from './internal/outbox.ts';
import { Pace, type Usage } from './internal/pace.ts';
import type { Shared } from './internal/shared.ts';
import type { Sent } from './ports.ts';
import type { Kind, Topics } from './topics.ts';
import type { PublishReceipt } from './types.ts';

/** Topics for which is remembered how much was published. */
const maxUsages = 4_096;
/** Receivers count when messages arrive: this node stays below what they admit, so that clocks do not matter. */
const rateShare = 0.95;
/** Half of the burst is left for links that stand still, and then bring everything at once. */
const burstShare = 0.5;
/** The router may take so long at least, in ms: it signs, and hands over. */
const minSendingMs = 1_000;

/** What publishing needs beside what is shared. */
export interface PublishingPorts extends Shared {
  readonly topics: Pick<Topics, 'kindsOf' | 'rulesOf'>;
  readonly counts: Counts;
  /** Somebody waits for a peer of a topic. */
  readonly onAlone: (topic: string) => void;
}

/**
 * Publishes: the messages of one topic in the order of the calls, each when there is somebody to hand it to. What was used of
 * the rate, and the sequence, outlive the stop of the service.
 */
export class Publishing {
  readonly #ports: PublishingPorts;
  readonly #pace: Pace;
  readonly #usages = new RecentMap<Usage>(maxUsages);
  readonly #outboxes = new Map<string, Outbox>();
  /** Of the last message. Begins with the time, so that none comes twice when the process begins anew. */
  #sequence: number;

  constructor(ports: PublishingPorts) {
    this.#ports = ports;
    const { maxMessagesPerSecond, maxMessageBurst } = ports.config;
    this.#pace = new Pace({
      perSecond: maxMessagesPerSecond * rateShare,
      burst: Math.max(1, Math.floor(maxMessageBurst * burstShare)),
    });
    this.#sequence = Math.floor(ports.clock.now()) * 1_000;
  }

  /** How many messages wait for a peer. */
  get pending(): number {
    let pending = 0;
    for (const { state, entries } of this.#outboxes.values())
      if (state === 'waiting') pending += entries.length;
    return pending;
  }

  /** @throws {GossipError} see `Gossip.publishMessage` */
  async publish(topic: string, message: unknown, call: ResolvedPublish): Promise<PublishReceipt> {
    const { signal, timeoutMs } = call;
    if (signal?.aborted === true) throw cancelled(topic, signal);
    const bytes = this.#encode(topic, message);
    const present = this.#outboxes.get(topic);
    this.#checkWaiting(topic, present, timeoutMs);
    this.#checkRate(topic, present?.entries.length ?? 0);
    const { promise, resolve, reject } = Promise.withResolvers<Sent>();
    const beganAtMs = this.#ports.clock.elapsed();
    const isFresh = present === undefined;
    const entry: Outgoing = {
      bytes,
      timeoutMs,
      beganAtMs,
      resolve,
      reject,
      isFresh,
      timer: undefined,
      signal,
    };
    const outbox = present ?? new Outbox(topic);
    outbox.entries.push(entry);
    if (present === undefined) {
      this.#outboxes.set(topic, outbox);
      void this.#drain(outbox);
    } else if (present.state === 'waiting') this.#await(outbox, entry);
    if (signal === undefined) return promise;
    const abort = (): void => {
      // What is being sent already cannot be taken back.
      if (outbox.current !== entry) this.#fail(outbox, entry, cancelled(topic, signal));
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** The links of a topic may have changed. */
  onLinks(topic: string): void {
    const outbox = this.#outboxes.get(topic);
    if (outbox === undefined) return;
    outbox.hasNewLinks = true;
    const isAwaited = outbox.state === 'waiting' && this.#ports.router.topicPeers(topic).length > 0;
    if (isAwaited) void this.#drain(outbox);
  }

  /** Ends every wait. */
  stop(): void {
    for (const outbox of this.#outboxes.values()) {
      outbox.state = 'closed';
      const error = new GossipError('STOPPED', { act: actOf(outbox.topic) });
      for (const entry of Array.from(outbox.entries)) this.#fail(outbox, entry, error);
    }
    this.#outboxes.clear();
  }

  /** Hands over one message after the other, until there is nobody. */
  async #drain(outbox: Outbox): Promise<void> {
    const { router } = this.#ports;
    const { topic } = outbox;
    for (let entry = outbox.begin(); entry !== undefined; entry = outbox.begin()) {
      try {
        const sent = await this.#send(topic, entry);
        if (isClosed(outbox)) return;
        if (sent.recipients.length > 0) this.#succeed(outbox, entry, sent);
        // Somebody may have come while it was found that there is nobody.
        else if (!outbox.hasNewLinks || router.topicPeers(topic).length === 0) return this.#park(outbox);
      } catch (error) {
        if (isClosed(outbox)) return;
        const reason = errorText(error, 120);
        this.#fail(outbox, entry, new GossipError('PUBLISH_FAILED', { topic, reason }, { cause: error }));
      }
    }
    if (this.#outboxes.get(topic) === outbox) this.#outboxes.delete(topic);
  }

  /** Hands one message to the router, which may not hold up those behind it for ever. */
  #send(topic: string, entry: Outgoing): Promise<Sent> {
    const { clock, config, router } = this.#ports;
    const { promise, resolve, reject } = Promise.withResolvers<Sent>();
    const limitMs = Math.max(minSendingMs, config.publishTimeoutMs);
    const expire = (): void =>
      reject(new Error(`the router did not answer within ${limitMs} ms: it may have been sent`));
    if (entry.timer !== undefined) clock.clearTimeout(entry.timer);
    entry.timer = clock.setTimeout(expire, limitMs);
    router.publish(topic, this.#stamped(topic, entry)).then(resolve, reject);
    return promise;
  }

  /** There is nobody: everything waits, as long as its caller wants, and as many as may. */
  #park(outbox: Outbox): void {
    const { topic } = outbox;
    outbox.park();
    const limit = this.#ports.config.maxPendingPublishes;
    for (const entry of Array.from(outbox.entries)) this.#await(outbox, entry);
    for (let pending = this.pending; pending > limit && outbox.entries.length > 0; pending--) {
      const newest = outbox.entries.at(-1);
      if (newest !== undefined)
        this.#fail(outbox, newest, new GossipError('BUSY', { topic, pending: limit, limit }));
    }
    if (outbox.entries.length > 0) this.#ports.onAlone(topic);
  }

  /** A message waits for a peer, for as long as its caller does. */
  #await(outbox: Outbox, entry: Outgoing): void {
    const { clock } = this.#ports;
    const { topic } = outbox;
    if (entry.signal?.aborted === true) return this.#fail(outbox, entry, cancelled(topic, entry.signal));
    if (entry.timer !== undefined) clock.clearTimeout(entry.timer);
    const waitedMs = clock.elapsed() - entry.beganAtMs;
    const expire = (): void => {
      // While it is tried, the trial decides.
      if (outbox.state !== 'waiting') return;
      const data = { topic, waitedMs: Math.round(clock.elapsed() - entry.beganAtMs) };
      this.#fail(outbox, entry, new GossipError('NO_PEERS', data));
    };
    if (waitedMs >= entry.timeoutMs) expire();
    else entry.timer = clock.setTimeout(expire, entry.timeoutMs - waitedMs);
  }

  #succeed(outbox: Outbox, entry: Outgoing, sent: Sent): void {
    const { topic } = outbox;
    const nowMs = this.#ports.clock.elapsed();
    const usage = this.#usageOf(topic);
    this.#pace.force(usage, nowMs);
    this.#usages.set(topic, usage);
    const { counts, router } = this.#ports;
    const { messageId, recipients } = sent;
    counts.publish(topic);
    if (router.isTraced) {
      const [bytes, count] = [entry.bytes.length, recipients.length];
      router.trace('published a message', { topic, messageId, bytes, recipients: count });
    }
    this.#remove(outbox, entry);
    entry.resolve({ messageId, recipients });
  }

  #fail(outbox: Outbox, entry: Outgoing, error: Error): void {
    if (this.#remove(outbox, entry)) entry.reject(error);
  }

  #remove(outbox: Outbox, entry: Outgoing): boolean {
    const { topic, entries, state } = outbox;
    if (entry.timer !== undefined) this.#ports.clock.clearTimeout(entry.timer);
    const wasThere = outbox.remove(entry);
    if (state === 'waiting' && entries.length === 0) this.#outboxes.delete(topic);
    return wasThere;
  }

  #checkWaiting(topic: string, present: Outbox | undefined, timeoutMs: number): void {
    if (present?.state !== 'waiting') return;
    if (timeoutMs === 0) throw new GossipError('NO_PEERS', { topic, waitedMs: 0 });
    const { pending } = this;
    const limit = this.#ports.config.maxPendingPublishes;
    if (pending >= limit) throw new GossipError('BUSY', { topic, pending, limit });
  }

  /** What waits counts as used: it may all be sent in the next moment. */
  #checkRate(topic: string, waiting: number): void {
    const { clock, config } = this.#ports;
    const retryAfterMs = this.#pace.waitMs(this.#usageOf(topic), clock.elapsed(), waiting);
    if (retryAfterMs === 0) return;
    const limitPerSecond = config.maxMessagesPerSecond;
    throw new GossipError('RATE_LIMITED', { topic, limitPerSecond, retryAfterMs });
  }

  #usageOf(topic: string): Usage {
    return this.#usages.get(topic) ?? { used: 0, atMs: this.#ports.clock.elapsed() };
  }

  /** The bytes of a message as it would be sent now. Nothing of what the caller holds is in them. */
  #encode(topic: string, message: unknown): Uint8Array {
    const { topics, config } = this.#ports;
    const limit = config.maxMessageBytes;
    const kinds = topics.kindsOf(topic);
    let bytes: Uint8Array;
    try {
      if (kinds === undefined) bytes = ownBytes(topics.rulesOf(topic).encode(message));
      else bytes = encodeGossipMessage(this.#complete(message, kinds));
    } catch (error) {
      if (CodecError.is(error, 'TOO_LARGE'))
        throw new GossipError('MESSAGE_TOO_LARGE', {
          topic,
          got: error.data.sizeBytes,
          limit: error.data.limitBytes,
        });
      throw new GossipError('INVALID_MESSAGE', { topic, reason: errorText(error, 160) }, { cause: error });
    }
    if (bytes.length > limit) throw new GossipError('MESSAGE_TOO_LARGE', { topic, got: bytes.length, limit });
    return bytes;
  }

  /** A message of the network with what the service adds. Throws what is wrong with it. */
  #complete(message: unknown, kinds: ReadonlySet<Kind>): GossipMessage {
    if (typeof message !== 'object' || message === null)
      throw new Error(`want an object, got ${shown(message)}`);
    const given = { ...message } as Partial<GossipMessage> & { readonly peerId?: unknown };
    const { type, peerId } = given;
    if (type === undefined || !kinds.has(type)) {
      const wanted = Array.from(kinds, (kind) => `"${kind}"`).join(' or ');
      throw new Error(`want a message of type ${wanted}, got ${shown(type)}`);
    }
    const own = this.#ports.router.peerId;
    if (type !== 'networkMetrics' && peerId !== undefined && peerId !== own)
      throw new Error(`it names peer ${shown(peerId)}, and this node is ${shown(own)}`);
    return { ...given, peerId: own, ...this.#nextStamp() } as GossipMessage;
  }

  #nextStamp(): { readonly timestampMs: number; readonly sequence: number } {
    return { timestampMs: Math.floor(this.#ports.clock.now()), sequence: this.#sequence + 1 };
  }

  /** The bytes that are sent. What had to wait would be stale: it gets a new stamp. */
  #stamped(topic: string, entry: Outgoing): Uint8Array {
    const { bytes, isFresh } = entry;
    entry.isFresh = false;
    if (this.#ports.topics.kindsOf(topic) === undefined) return bytes;
    const stamped = isFresh
      ? bytes
      : encodeGossipMessage({ ...decodeGossipMessage(bytes), ...this.#nextStamp() });
    this.#sequence++;
    return stamped;
  }
}

const actOf = (topic: string): string => `publishMessage("${topic}")`;

const cancelled = (topic: string, signal: AbortSignal): Error =>
  new GossipError('CANCELLED', { act: actOf(topic) }, { cause: signal.reason });

/** The state as it is after a wait, which the compiler does not see. */
const isClosed = (outbox: Outbox): boolean => outbox.state === 'closed';

/** A copy: callers may go on using what they gave. */
function ownBytes(value: unknown): Uint8Array {
  if (!ArrayBuffer.isView(value) || !(value instanceof Uint8Array))
    throw new Error(`want a Uint8Array, got ${shown(value)}`);
  return new Uint8Array(value);
}
