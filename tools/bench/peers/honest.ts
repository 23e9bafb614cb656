// A peer that asks something every few ms, whatever happens.
import type { Libp2p, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { createVisitor } from './crowd.ts';
import { echoProtocol } from './node.ts';

const everyMs = 10;
const askBytes = 32;
/** How long the last answers are waited for. */
const graceMs = 10_000;

/** What it heard. */
export interface Heard {
  /** From when each question was due to its answer, in ms; of those without an answer, to the end. */
  readonly agesMs: readonly number[];
  readonly unanswered: number;
  /** How often it had to open its stream again. */
  readonly reopened: number;
}

/** Asks until it is stopped, and opens its stream again when it is cut. */
export class Honest {
  readonly #node: Libp2p;
  readonly #address: string;
  readonly #start = performance.now();
  readonly #timer: NodeJS.Timeout;
  /** When those questions were due that have no answer yet, by number. */
  readonly #waiting = new Map<number, number>();
  readonly #agesMs: number[] = [];
  #asked = 0;
  #reopened = 0;
  #stream: Stream | undefined;
  #isEnding = false;
  #onAnswered: (() => void) | undefined;

  private constructor(node: Libp2p, address: string) {
    this.#node = node;
    this.#address = address;
    this.#timer = setInterval(() => this.#askDue(), everyMs);
  }

  /** Resolves when it has its stream. */
  static async start(address: string): Promise<Honest> {
    const node = await createVisitor();
    const honest = new Honest(node, address);
    await honest.#open();
    return honest;
  }

  /** Resolves when all is answered, or will not be. */
  async stop(): Promise<Heard> {
    clearInterval(this.#timer);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onAnswered = () => {
        if (this.#waiting.size > 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onAnswered();
    });
    this.#isEnding = true;
    const unanswered = this.#waiting.size;
    const now = performance.now();
    const agesMs = [...this.#agesMs, ...[...this.#waiting.values()].map((due) => now - due)];
    await this.#node.stop();
    return { agesMs, unanswered, reopened: this.#reopened };
  }

  /** Each question is due at its time, also when this process is late. */
  #askDue(): void {
    const now = performance.now();
    for (let due = this.#start + this.#asked * everyMs; due <= now; due += everyMs) {
      this.#waiting.set(this.#asked, due);
      this.#ask(this.#asked);
      this.#asked += 1;
    }
  }

  #ask(number: number): void {
    if (this.#stream?.status !== 'open') return;
    const bytes = new Uint8Array(askBytes);
    new DataView(bytes.buffer).setUint32(0, number);
    this.#stream.send(bytes);
  }

  async #open(): Promise<void> {
    const signal = AbortSignal.timeout(5_000);
    const connection = await this.#node.dial(multiaddr(this.#address), { signal });
    const stream = await connection.newStream(echoProtocol, { signal });
    let rest = new Uint8Array();
    stream.addEventListener('message', ({ data }) => {
      const bytes = new Uint8Array(rest.length + data.byteLength);
      bytes.set(rest);
      bytes.set(data.subarray(), rest.length);
      const whole = bytes.length - (bytes.length % askBytes);
      for (let at = 0; at < whole; at += askBytes)
        this.#onAnswer(new DataView(bytes.buffer, at).getUint32(0));
      rest = bytes.slice(whole);
    });
    if (stream.status !== 'open') throw new Error('the stream was reset');
    stream.addEventListener('close', () => this.#reopen());
    this.#stream = stream;
    for (const number of this.#waiting.keys()) this.#ask(number);
  }

  #reopen(): void {
    if (this.#isEnding) return;
    this.#reopened += 1;
    this.#open().catch(() => setTimeout(() => this.#reopen(), 100));
  }

  #onAnswer(number: number): void {
    const due = this.#waiting.get(number);
    if (due === undefined) return;
    this.#waiting.delete(number);
    this.#agesMs.push(performance.now() - due);
    this.#onAnswered?.();
  }
}
