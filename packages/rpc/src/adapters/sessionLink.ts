import { safe } from '@lloom/core';
import type { Stream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import type { SessionLink, SessionLinkUser } from '../ports.ts';
import { relayOf, type CarryingConnection } from './relayOf.ts';

/** How long a session that ends waits for the peer to take the last bytes. */
const closeMs = 2_000;
/**
 * What libp2p may hold of a stream that is paused; beyond it, it resets the stream. A sender may use up the window it
 * was granted before the pause, and the muxer's windows grow to 16 MiB.
 */
const maxHeldBytes = 17 * 1024 * 1024;

/** A libp2p stream that carries a session. */
export class Libp2pSessionLink implements SessionLink {
  readonly connectionId: string;
  readonly #connection: CarryingConnection;
  readonly #stream: Stream;
  #user: SessionLinkUser | undefined;
  #isClosed = false;
  #isSuperseded = false;

  /** Construct it before the first `await` after the stream was given: bytes that arrive earlier may be lost. */
  constructor(stream: Stream, connection: CarryingConnection) {
    this.connectionId = connection.id;
    this.#connection = connection;
    this.#stream = stream;
    stream.maxReadBufferLength = maxHeldBytes;
  }

  get relay(): string | undefined {
    return relayOf(this.#connection);
  }

  attach(user: SessionLinkUser): void {
    this.#user = user;
    const stream = this.#stream;
    const fail = (error: unknown): void =>
      this.abort(error instanceof Error ? error : new Error(String(error)));
    stream.addEventListener(
      'message',
      safe((event: { data: Uint8Array | Uint8ArrayList }) => this.#take(event.data), fail),
    );
    stream.addEventListener(
      'drain',
      safe(() => this.#drained(), fail),
    );
    stream.addEventListener(
      'close',
      safe((event: { error?: Error }) => this.#end(event.error ?? new Error('the stream was closed')), fail),
    );
    stream.addEventListener(
      'remoteCloseWrite',
      safe(() => this.#closedByPeer(), fail),
    );
    if (stream.status !== 'open') this.#end(new Error(`the stream is ${stream.status}`));
    else if (stream.remoteWriteStatus === 'closed') this.#closedByPeer();
    else if (this.#isSuperseded) user.onSuperseded?.();
  }

  /** A better connection to the peer is open. */
  supersede(): void {
    if (this.#isSuperseded || this.#isClosed) return;
    this.#isSuperseded = true;
    this.#user?.onSuperseded?.();
  }

  write(parts: readonly Uint8Array[]): boolean {
    const [first] = parts;
    try {
      if (first !== undefined && parts.length === 1) return this.#stream.send(first);
      return this.#stream.send(new Uint8ArrayList(...parts));
    } catch {
      // The stream is closed, and says so by its event.
      return false;
    }
  }

  defer(act: () => void): void {
    setImmediate(act);
  }

  pause(): void {
    if (this.#stream.readStatus === 'readable') this.#stream.pause();
  }

  resume(): void {
    try {
      if (this.#stream.readStatus === 'paused') this.#stream.resume();
    } catch {
      // There is no connection any more to open the window of; the stream says so by its event.
    }
  }

  async close(): Promise<void> {
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(closeMs) });
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  abort(reason: Error): void {
    this.#stream.abort(reason);
  }

  #take(data: Uint8Array | Uint8ArrayList): void {
    if (data instanceof Uint8Array) this.#user?.onBytes(data);
    else for (const bytes of data) this.#user?.onBytes(bytes);
  }

  /** On `drain` libp2p first sends what still waits, and that may fill the window again. */
  #drained(): void {
    queueMicrotask(() => {
      if (!this.#isClosed && !this.#stream.writableNeedsDrain) this.#user?.onDrain();
    });
  }

  /** A session in which one side says nothing more is over: its answers could not be asked for, or not be given. */
  #closedByPeer(): void {
    void this.close();
    this.#end(new Error('the peer ended the session'));
  }

  #end(reason: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#user?.onClosed(reason);
  }
}
