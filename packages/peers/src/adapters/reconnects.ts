import { KEEP_ALIVE, type PeerId } from '@libp2p/interface';
import { safe } from '@lloom/core';

import { redialDelay } from '../internal/redialDelay.ts';
import type { Log, NetworkSettings, PeersComponents } from '../ports.ts';

/** Five attempts, as libp2p makes them, over half a minute. */
const maxAttempts = 5;
const pauses = { redialMinDelayMs: 1_000, redialMaxDelayMs: 16_000 };
/** A connection that was lost sooner is a failed attempt: a peer that lets nobody in ends it right after the handshake. */
const lastingMs = 60_000;
/** How many peers are dialled again, or were lately. More than a node of default size can lose at once. */
const maxSeries = 256;

/** The part of libp2p that dials lost peers again. It is not in its types. */
interface ReconnectQueue {
  maybeReconnect?: (peerId: PeerId) => Promise<void>;
}

/** What it needs of the node. */
export interface ReconnectsPorts {
  readonly components: Pick<PeersComponents, 'connectionManager' | 'events' | 'peerStore'>;
  readonly settings: Pick<NetworkSettings, 'clock' | 'random'>;
  /** Whether it may be dialled, and nobody else looks after that. */
  mayRedial(peerId: string): boolean;
  readonly log: Log;
}

/** How the last connection to a peer ended. */
export interface LastClosing {
  readonly lastedMs: number;
  /** Whether one of the two sides has closed it on purpose. */
  readonly isMeant: boolean;
}

/** The attempts to reach a peer again. */
interface Series {
  attempts: number;
  /** Of the next one; absent while none is due. */
  timer?: unknown;
  /** Whether it was told that there are no more. */
  isOver: boolean;
}

/**
 * Dials peers with a `keep-alive` tag again whose connection was lost, in place of libp2p. That does so in the moment of the
 * closing, also when it was meant, and takes a connection for a success that the other side ends right after the handshake:
 * whoever is banned there dials without end. Here pauses grow from 1 s to 16 s, and after five attempts there are no more
 * before a connection has lasted for a minute. Tags stay as they are.
 */
export class Reconnects {
  readonly #ports: ReconnectsPorts;
  readonly #series = new Map<string, Series>();
  #undo: (() => void) | undefined;
  #isTold = false;
  /** Of what is under way; absent while nothing is dialled. */
  #ending: AbortController | undefined;

  constructor(ports: ReconnectsPorts) {
    this.#ports = ports;
  }

  /** Until `end`. Where libp2p is built otherwise, it goes on as it does. */
  begin(): void {
    const { connectionManager } = this.#ports.components;
    const { reconnectQueue: queue } = connectionManager as { readonly reconnectQueue?: ReconnectQueue };
    const original = queue?.maybeReconnect;
    if (queue === undefined || typeof original !== 'function') {
      this.#tellMissing();
      return;
    }
    const nothing = async (): Promise<void> => undefined;
    queue.maybeReconnect = nothing;
    this.#undo = () => {
      if (queue.maybeReconnect === nothing) queue.maybeReconnect = original;
    };
    this.#ending = new AbortController();
  }

  /** Dials nobody any more, nor does libp2p. */
  drain(): void {
    this.#ending?.abort();
    this.#ending = undefined;
    for (const series of this.#series.values()) this.#clear(series);
    this.#series.clear();
  }

  end(): void {
    this.drain();
    this.#undo?.();
    this.#undo = undefined;
  }

  /** A connection has ended, and others to the peer are left. */
  closedOne(peerId: string, lastedMs: number): void {
    if (lastedMs >= lastingMs) this.leave(peerId);
  }

  /** The last connection to a peer has ended. */
  closedLast(peerId: PeerId, { lastedMs, isMeant }: LastClosing): void {
    this.closedOne(peerId.toString(), lastedMs);
    if (isMeant) this.rest(peerId.toString());
    else void this.#goOn(peerId);
  }

  /** Does not dial a peer until it is lost again. */
  rest(peerId: string): void {
    const series = this.#series.get(peerId);
    if (series !== undefined) this.#clear(series);
  }

  /** The same, and forgets how often it was dialled. */
  leave(peerId: string): void {
    this.rest(peerId);
    this.#series.delete(peerId);
  }

  /** Dials again after a pause, unless there is a reason not to. */
  async #goOn(peerId: PeerId): Promise<void> {
    const { components, settings } = this.#ports;
    const ending = this.#ending;
    if (ending === undefined || !(await this.#isKept(peerId)) || ending.signal.aborted) return;
    const series = this.#seriesOf(peerId.toString());
    if (series === undefined || series.timer !== undefined || this.#isConnected(peerId)) return;
    if (series.attempts >= maxAttempts) {
      if (!series.isOver) components.events.safeDispatchEvent('peer:reconnect-failure', { detail: peerId });
      series.isOver = true;
      return;
    }
    const attempt = safe(
      () => this.#attempt(peerId, series),
      (error) => this.#ports.log('a lost peer cannot be dialled', error, { peerId: peerId.toString() }),
    );
    const delayMs = redialDelay(pauses, series.attempts + 1, settings.random.float());
    series.timer = settings.clock.setTimeout(attempt, delayMs);
  }

  async #attempt(peerId: PeerId, series: Series): Promise<void> {
    const { components } = this.#ports;
    series.timer = undefined;
    series.attempts += 1;
    const ending = this.#ending;
    if (ending === undefined || this.#isConnected(peerId) || !this.#ports.mayRedial(peerId.toString()))
      return;
    // Whoever gave the tag may have taken it back.
    if (!(await this.#isKept(peerId)) || ending.signal.aborted) return;
    try {
      await components.connectionManager.openConnection(peerId, { signal: ending.signal });
    } catch {
      await this.#goOn(peerId);
    }
  }

  #isConnected(peerId: PeerId): boolean {
    return this.#ports.components.connectionManager.getConnections(peerId).length > 0;
  }

  async #isKept(peerId: PeerId): Promise<boolean> {
    try {
      const { tags } = await this.#ports.components.peerStore.get(peerId);
      return [...tags.keys()].some((tag) => tag.startsWith(KEEP_ALIVE));
    } catch {
      // Nothing is stored of it.
      return false;
    }
  }

  /** `undefined` when there is no room: all others wait for their next attempt. */
  #seriesOf(peerId: string): Series | undefined {
    const known = this.#series.get(peerId);
    if (known !== undefined) return known;
    if (this.#series.size >= maxSeries) {
      const [spare] = [...this.#series].find(([, { timer }]) => timer === undefined) ?? [];
      if (spare === undefined) return undefined;
      this.#series.delete(spare);
    }
    const series = { attempts: 0, isOver: false };
    this.#series.set(peerId, series);
    return series;
  }

  #clear(series: Series): void {
    if (series.timer !== undefined) this.#ports.settings.clock.clearTimeout(series.timer);
    series.timer = undefined;
  }

  #tellMissing(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const error = new Error('libp2p has no connectionManager.reconnectQueue.maybeReconnect');
    this.#ports.log(
      'peers with a keep-alive tag are dialled again by libp2p, also those that are closed',
      error,
    );
  }
}
