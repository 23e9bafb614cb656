import { toHex, type Hex } from '@lloom/core';
import type { SessionLink, SessionLinkUser } from '../../src/ports.ts';

/** One end of a stream in memory. Keeps what was written, and hands it over in another turn, in parts of a size. */
export class Wire implements SessionLink {
  readonly #partBytes: number;
  readonly #written: Uint8Array[] = [];
  #user: SessionLinkUser | undefined;
  #peer: Wire | undefined;
  /** Why this end was reset. */
  failure: Error | undefined;

  constructor(partBytes: number) {
    this.#partBytes = partBytes;
  }

  /** Both ends of a stream. */
  static pair(partBytes: number): [Wire, Wire] {
    const [here, there] = [new Wire(partBytes), new Wire(partBytes)];
    here.#peer = there;
    there.#peer = here;
    return [here, there];
  }

  /** All that was written to this end. */
  get hex(): Hex {
    return toHex(Buffer.concat(this.#written));
  }

  write(parts: readonly Uint8Array[]): boolean {
    const bytes = new Uint8Array(Buffer.concat(parts));
    this.#written.push(bytes);
    setImmediate(() => this.#peer?.take(bytes));
    return true;
  }

  defer(act: () => void): void {
    setImmediate(act);
  }

  pause(): void {}

  resume(): void {}

  async close(): Promise<void> {
    this.end(new Error('this end was closed'));
    this.#peer?.end(new Error('the other end was closed'));
  }

  abort(reason: Error): void {
    this.failure ??= reason;
    this.#peer?.end(reason);
  }

  attach(user: SessionLinkUser): void {
    this.#user = user;
  }

  /** Makes it the end of a test, which writes what no session would. */
  raw(onBytes: (bytes: Uint8Array) => void = () => undefined): this {
    this.attach({ onBytes, onDrain: () => undefined, onClosed: () => undefined });
    return this;
  }

  /** Bytes of the other end arrive. */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#partBytes)
      this.#user?.onBytes(bytes.subarray(at, at + this.#partBytes));
  }

  /** The stream is closed. */
  end(reason: Error): void {
    this.#user?.onClosed(reason);
  }
}
