import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: object) => void;
/** Gives pages back to the system as well. */
const thoroughly = { type: 'major', execution: 'sync', flavor: 'last-resort' };

/** Memory of this process, in bytes. */
export interface Memory {
  /** What the system gave it. */
  readonly rss: number;
  /** What is reachable of JavaScript's heap, and of what hangs on it outside. */
  readonly heap: number;
}

/** What is left when all garbage is collected. */
export async function settledMemory(): Promise<Memory> {
  // Contents of buffers are given back beside the program, and finalizers make garbage in turn.
  for (let times = 0; times < 5; times++) {
    collect(thoroughly);
    await pause(50);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

/** Watches the memory of this process grow. */
export class GrowthWatch {
  #peak = 0;
  readonly #base: number;
  readonly #timer: NodeJS.Timeout;

  private constructor(base: number) {
    this.#base = base;
    this.#timer = setInterval(() => this.#look(), 20);
  }

  /** From what is left when all garbage is collected. */
  static async start(): Promise<GrowthWatch> {
    return new GrowthWatch((await settledMemory()).rss);
  }

  /** By how many bytes it had grown at most. */
  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    return this.#peak;
  }

  #look(): void {
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss() - this.#base);
  }
}
