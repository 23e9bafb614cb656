import { safe } from '@lloom/core';
import type { Stream } from '@libp2p/interface';
import type { Uint8ArrayList } from 'uint8arraylist';
import type { ByteStream } from '../ports.ts';
import { relayOf, type CarryingConnection } from './relayOf.ts';

/** Bytes held for a slow reader before the sender is stopped; the muxer's window comes on top. */
const maxQueuedBytes = 64 * 1024;
/**
 * What libp2p may hold of a stream that is paused; beyond it, it resets the stream. A sender may use up the window it
 * was granted before the pause, and the muxer's windows grow to 16 MiB.
 */
const maxHeldBytes = 16 * 1024 * 1024 + maxQueuedBytes;
/** Bytes that are read in one turn of the event loop. */
const bytesPerTurn = 32 * 1024;
/** A large message is handed over in slices, so that a slow reader stops it early. */
const sliceBytes = 256 * 1024;

/**
 * A libp2p stream as bytes that are pulled. It listens from its construction on, so nothing is lost when reading
 * begins late, and it pauses the stream while its queue is full.
 */
export class Libp2pByteStream implements ByteStream {
  readonly closed: Promise<void>;
  readonly connectionId: string | undefined;
  readonly #connection: CarryingConnection | undefined;
  readonly #stream: Stream;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #bytesThisTurn = 0;
  #isResuming = false;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** Construct it before the first `await` after the stream was given: bytes that arrive earlier may be lost. */
  constructor(stream: Stream, connection?: CarryingConnection) {
    this.connectionId = connection?.id;
    this.#connection = connection;
    this.#stream = stream;
    stream.maxReadBufferLength = maxHeldBytes;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const fail = (error: unknown): void =>
      this.abort(error instanceof Error ? error : new Error(String(error)));
    stream.addEventListener(
      'message',
      safe((event: { data: Uint8Array | Uint8ArrayList }) => this.#take(event.data.subarray()), fail),
    );
    stream.addEventListener(
      'remoteCloseWrite',
      safe(() => this.#end(), fail),
    );
    const onClose = (error: Error | undefined): void => {
      this.#resume();
      // An end that the peer did not announce is not the end of an answer.
      if (error !== undefined || !this.#ended)
        this.#failure ??= error ?? new Error('the connection was closed');
      this.#end();
      resolve();
    };
    stream.addEventListener(
      'close',
      safe((event: { error?: Error }) => onClose(event.error), fail),
    );
    if (stream.status !== 'open') onClose(new Error(`the stream is ${stream.status}`));
    else if (stream.remoteWriteStatus === 'closed') this.#end();
  }

  get relay(): string | undefined {
    return this.#connection && relayOf(this.#connection);
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#queue.shift();
      if (bytes !== undefined) {
        this.#queuedBytes -= bytes.length;
        await this.#letOthersRun(bytes.length);
        return bytes;
      }
      if (this.#stream.readStatus === 'paused') {
        this.#resume();
        if (this.#queue.length > 0) continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      // Bytes that came before this listened are given in a later turn, the end of the peer's side may be known at once.
      if (this.#ended && this.#stream.readBufferLength === 0) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
      signal?.throwIfAborted();
      const canTakeMore = this.#stream.send(bytes.subarray(offset, offset + sliceBytes));
      if (!canTakeMore) await this.#drained(signal);
    }
  }

  async closeWrite(signal?: AbortSignal): Promise<void> {
    await this.#stream.close(signal && { signal });
  }

  abort(reason: Error): void {
    this.#failure ??= reason;
    this.#stream.abort(reason);
  }

  /**
   * Resolves when the stream takes more; rejects when it is closed or the signal fires. On `drain` libp2p first sends
   * what still waits, and that may fill the window again.
   */
  async #drained(signal: AbortSignal | undefined): Promise<void> {
    while (this.#stream.writableNeedsDrain) await this.#nextDrain(signal);
  }

  /** libp2p's own `onDrain` keeps its first promise for good, so that it holds nobody back after the first time. */
  #nextDrain(signal: AbortSignal | undefined): Promise<void> {
    const stream = this.#stream;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onDrain = (): void => resolve();
    const onAbort = (): void => reject(signal?.reason as Error);
    const onClose = (): void => reject(this.#failure ?? new Error('the stream is closed'));
    stream.addEventListener('drain', onDrain);
    stream.addEventListener('close', onClose);
    signal?.addEventListener('abort', onAbort);
    return promise.finally(() => {
      stream.removeEventListener('drain', onDrain);
      stream.removeEventListener('close', onClose);
      signal?.removeEventListener('abort', onAbort);
    });
  }

  #take(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#pauseWhenFull();
    this.#notify();
  }

  /** Stops the peer while the queue is full. */
  #pauseWhenFull(): void {
    if (this.#isResuming || this.#queuedBytes < maxQueuedBytes) return;
    if (this.#stream.readStatus === 'readable') this.#stream.pause();
  }

  #end(): void {
    this.#ended = true;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /**
   * Moves what libp2p held back into the queue, and lets the peer send as much again. libp2p hands the bytes over and
   * then opens the window, so a pause in between would be undone: it comes after.
   */
  #resume(): void {
    if (this.#stream.readStatus !== 'paused') return;
    this.#isResuming = true;
    try {
      this.#stream.resume();
    } catch {
      // There is no connection any more to open the window of. What was held back is in the queue.
    } finally {
      this.#isResuming = false;
    }
    this.#pauseWhenFull();
  }

  /** A peer that sends without pause must not keep everybody else waiting: timers and other streams get their turn. */
  async #letOthersRun(length: number): Promise<void> {
    this.#bytesThisTurn += length;
    if (this.#bytesThisTurn < bytesPerTurn) return;
    this.#bytesThisTurn = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
