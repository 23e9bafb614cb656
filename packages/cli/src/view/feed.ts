import type { ServerResponse } from 'node:http';
import type { LloomBehaviour } from '@lloom/behaviour';
import type { LiveMachines } from '@lloom/inspector';
import { requestsOf } from './requests.ts';
import { Samples } from './samples.ts';
import type { ViewState } from './types.ts';

/** How much readers get, and how much of them is borne. */
export interface FeedLimits {
  /** How often they hear what machines do, in ms. @default 200 */
  readonly beatMs: number;
  /** Each so many beats they hear how the node is. @default 5 */
  readonly beatsPerState: number;
  /** How long one may take nothing of what it is told, in ms; then it is cut off, and may come again. @default 15_000 */
  readonly patienceMs: number;
  /** How many there may be. @default 8 */
  readonly maxReaders: number;
}

const ownLimits: FeedLimits = { beatMs: 200, beatsPerState: 5, patienceMs: 15_000, maxReaders: 8 };
/** How long the last words may take to reach readers, in ms. */
const farewellMs = 500;

/** What is told about. */
export interface FeedSources {
  readonly node: Pick<LloomBehaviour, 'exportState' | 'metrics'>;
  readonly live: Pick<LiveMachines, 'changes' | 'machines'>;
  readonly role: string;
}

interface Reader {
  readonly response: ServerResponse;
  /** Up to where it knows what actors did. */
  version: number | undefined;
  /** When it was last seen to take what it was told. */
  tookAtMs: number;
}

/**
 * Tells readers how a node is, by server-sent events: `state` each second, `actors` as soon as machines do something, `stopped` at
 * the end. Everything is worked out once for all of them, and how the node is only while somebody reads. Who has not taken what
 * it was told is told nothing until it has, so that at most one of each waits for it.
 */
export class Feed {
  readonly #sources: FeedSources;
  readonly #limits: FeedLimits;
  readonly #samples = new Samples();
  readonly #readers = new Set<Reader>();
  readonly #timer: NodeJS.Timeout;
  #beats = 0;
  #sequence = 0;
  #isOver = false;

  constructor(sources: FeedSources, limits: Partial<FeedLimits> = {}) {
    this.#sources = sources;
    this.#limits = { ...ownLimits, ...limits };
    this.#sample();
    this.#timer = setInterval(() => this.#safeBeat(), this.#limits.beatMs);
    this.#timer.unref();
  }

  /** Whether there is room for another reader. */
  get hasRoom(): boolean {
    return this.#readers.size < this.#limits.maxReaders;
  }

  /** Tells a reader everything, and from then on what changes. */
  add(response: ServerResponse): void {
    const reader: Reader = { response, version: undefined, tookAtMs: performance.now() };
    this.#readers.add(reader);
    response.once('close', () => this.#readers.delete(reader));
    response.write('retry: 1000\n\n');
    if (this.#isOver) return void response.end(messageOf('stopped', {}));
    response.write(this.#stateText());
    this.#tellActors([reader]);
  }

  /** Tells readers that the node is stopped. Resolves when they know, or take too long. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#isOver = true;
    const told = Array.from(this.#readers, ({ response }) => {
      const closed = new Promise((resolve) => void response.once('close', resolve));
      response.end(messageOf('stopped', {}));
      return closed;
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, farewellMs);
    await Promise.race([Promise.all(told), promise]);
    clearTimeout(timer);
  }

  /** Whatever is wrong with what a page is told, the node goes on. */
  #safeBeat(): void {
    try {
      this.#beat();
    } catch {
      for (const { response } of this.#readers) response.destroy();
    }
  }

  #beat(): void {
    this.#beats += 1;
    const isTime = this.#beats % this.#limits.beatsPerState === 0;
    if (isTime) this.#sample();
    const ready = this.#ready();
    if (ready.length === 0) return;
    if (isTime) {
      const text = this.#stateText();
      for (const { response } of ready) response.write(text);
    }
    this.#tellActors(ready);
  }

  /** Who has taken what it was told. Who has taken nothing for too long is cut off. */
  #ready(): Reader[] {
    const nowMs = performance.now();
    return Array.from(this.#readers).filter((reader) => {
      const { response } = reader;
      if (!response.writableNeedDrain) {
        reader.tookAtMs = nowMs;
        return true;
      }
      if (nowMs - reader.tookAtMs > this.#limits.patienceMs) response.destroy();
      return false;
    });
  }

  #tellActors(readers: readonly Reader[]): void {
    const texts = new Map<number | undefined, { readonly text: string; readonly version: number }>();
    for (const reader of readers) {
      const told = texts.get(reader.version) ?? this.#changesAfter(reader.version);
      texts.set(reader.version, told);
      reader.version = told.version;
      if (told.text !== '') reader.response.write(told.text);
    }
  }

  #changesAfter(version: number | undefined): { readonly text: string; readonly version: number } {
    const changes = this.#sources.live.changes(version);
    const text = changes.version === version ? '' : messageOf('actors', changes);
    return { text, version: changes.version };
  }

  #sample(): void {
    this.#samples.add(this.#sources.node.metrics(), { at: Date.now(), elapsedMs: performance.now() });
  }

  #stateText(): string {
    const { node, live, role } = this.#sources;
    const state = node.exportState();
    const { actors, nowMs } = live.changes();
    const { pending } = state.rpc;
    const { shown, leftOut } = requestsOf({ pending, actors, epoch: Date.now() - nowMs });
    this.#sequence += 1;
    const told: ViewState = {
      sequence: this.#sequence,
      role,
      node: state,
      requests: shown,
      requestsLeftOut: leftOut,
      samples: this.#samples.all,
      machines: live.machines(),
    };
    return messageOf('state', told, this.#sequence);
  }
}

/** As server-sent events are written. JSON has no line breaks. */
const messageOf = (event: string, data: object, id?: number): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
