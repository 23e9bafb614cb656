import type { Stream } from '@libp2p/interface';
import { safe, type Clock } from '@lloom/core';

/**
 * What libp2p may hold of a stream that is paused; beyond it, it resets the stream. A sender may use up the window it was
 * granted before the pause, and the muxer's windows grow to 16 MiB.
 */
const maxHeldBytes = 16 * 1_024 * 1_024 + 64 * 1_024;

/** How two streams are joined. */
export interface JoinConfig {
  readonly clock: Clock;
  /** How many bytes pass each way. */
  readonly maxBytes: number;
  readonly maxMs: number;
  /** Told of what is handed on, either way. Must not throw. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Ends both. */
  readonly signal: AbortSignal;
  /** Told once when both have ended. */
  readonly onEnd: () => void;
  readonly onError: (error: unknown) => void;
}

/** Two streams that are joined. */
export interface JoinedStreams {
  /** How many bytes have come so far, both ways together. */
  readonly bytes: number;
  /** How many more may, on the way that has less left. */
  readonly bytesLeft: number;
  /** Whether both have ended. */
  readonly isOver: boolean;
}

/**
 * Hands what comes of each stream to the other, as fast as that one takes it, until both have ended or a limit is reached: then
 * both are reset. Must be called in the turn in which they were last read.
 */
export function joinStreams(one: Stream, other: Stream, config: JoinConfig): JoinedStreams {
  const join = new Join(one, other, config);
  join.begin();
  return join;
}

class Join implements JoinedStreams {
  readonly #streams: readonly [Stream, Stream];
  readonly #config: JoinConfig;
  /** What has come of each stream, in bytes. */
  readonly #carried: [number, number] = [0, 0];
  #timer: unknown;
  isOver = false;

  constructor(one: Stream, other: Stream, config: JoinConfig) {
    this.#streams = [one, other];
    this.#config = config;
  }

  get bytes(): number {
    return this.#carried[0] + this.#carried[1];
  }

  get bytesLeft(): number {
    return Math.max(0, this.#config.maxBytes - Math.max(...this.#carried));
  }

  begin(): void {
    const { clock, maxMs, signal } = this.#config;
    if (Number.isFinite(maxMs)) {
      const expire = safe(() => this.#abort(new Error(`it may last ${maxMs} ms`)), this.#config.onError);
      this.#timer = clock.setTimeout(expire, maxMs);
    }
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#forward(0, 1);
    this.#forward(1, 0);
    if (signal.aborted) this.#onAbort();
    this.#look();
  }

  readonly #onAbort = (): void => this.#abort(new Error('this node does not relay any more'));

  #forward(at: 0 | 1, otherAt: 0 | 1): void {
    const [from, to] = [this.#streams[at], this.#streams[otherAt]];
    const { maxBytes, onBytes, onError } = this.#config;
    const fail = (error: unknown): void => {
      onError(error);
      this.#abort(new Error('what came cannot be handed on'));
    };
    // libp2p hands bytes over and then opens the window, so a pause in between would be undone: it comes after.
    let isResuming = false;
    let isFull = false;
    const pause = (): void => {
      if (isFull && !isResuming && from.readStatus === 'readable') from.pause();
    };
    const resume = (): void => {
      isFull = false;
      if (from.readStatus !== 'paused') return;
      isResuming = true;
      try {
        from.resume();
      } finally {
        isResuming = false;
      }
      pause();
    };
    from.maxReadBufferLength = maxHeldBytes;
    const onMessage = ({ data }: { readonly data: Parameters<Stream['send']>[0] }): void => {
      const { byteLength } = data;
      this.#carried[at] += byteLength;
      if (this.#carried[at] > maxBytes) return this.#abort(new Error(`it may carry ${maxBytes} bytes`));
      if (to.writeStatus !== 'writable') return;
      onBytes?.(byteLength);
      if (to.send(data)) return;
      isFull = true;
      pause();
    };
    const onClose = (event: { readonly error?: Error }): void => {
      if (event.error !== undefined) this.#abort(event.error);
      this.#look();
    };
    from.addEventListener('message', safe(onMessage, fail));
    to.addEventListener('drain', safe(resume, fail));
    // Comes when everything was handed out, the announcement of the end before that.
    from.addEventListener(
      'end',
      safe(() => this.#closeWriting(to), fail),
    );
    from.addEventListener('close', safe(onClose, fail));
    if (from.readableEnded) void this.#closeWriting(to);
  }

  async #closeWriting(stream: Stream): Promise<void> {
    try {
      await stream.close();
    } catch {
      // It was reset meanwhile, or does not take what is left: either way nothing more comes of it.
      stream.abort(new Error('it cannot be closed'));
    }
    this.#look();
  }

  #abort(error: Error): void {
    for (const stream of this.#streams) stream.abort(error);
    this.#look();
  }

  /** Whether both have ended. */
  #look(): void {
    if (this.isOver || this.#streams.some(({ status }) => status === 'open' || status === 'closing')) return;
    this.isOver = true;
    const { clock, signal, onEnd } = this.#config;
    clock.clearTimeout(this.#timer);
    signal.removeEventListener('abort', this.#onAbort);
    onEnd();
  }
}
