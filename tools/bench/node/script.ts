import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cpuUsOf } from './gateway/cpu.ts';

/** Far beyond what any of them takes. */
const limitMs = 30_000;

/** A program in a process of its own, started as users start theirs: by plain Node. It tells things in lines of JSON. */
export class Script {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  /** @param file its path, or its name in the folder `start` */
  constructor(file: string, { args = [] as readonly string[], nodeArgs = [] as readonly string[] } = {}) {
    const path = fileURLToPath(new URL(file, new URL('start/', import.meta.url)));
    const { NODE_COMPILE_CACHE: _, NODE_OPTIONS: __, ...env } = process.env;
    this.#child = spawn(process.execPath, [...nodeArgs, path, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...env, NODE_DISABLE_COMPILE_CACHE: '1' },
    });
    this.#lines = createInterface({ input: this.#child.stdout! });
  }

  /** Starts one that tells one thing, and waits for its end. */
  static async told<T>(file: string, args: readonly string[] = []): Promise<T> {
    const script = new Script(file, { args });
    try {
      return await script.next<T>();
    } finally {
      await script.kill();
    }
  }

  /** CPU time of its threads so far; NaN where the system does not tell. */
  get cpuMs(): number {
    return cpuUsOf([this.#child.pid!]) / 1_000;
  }

  /** The next thing that it tells. @throws when it ends without a word, or says nothing for half a minute */
  async next<T>(): Promise<T> {
    const ended = new AbortController();
    const end = (): void => ended.abort(new Error(`${this.#child.spawnargs.join(' ')} said nothing`));
    this.#lines.once('close', end);
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(limitMs)]);
    try {
      const [line] = (await once(this.#lines, 'line', { signal })) as [string];
      return JSON.parse(line) as T;
    } finally {
      this.#lines.off('close', end);
    }
  }

  /** Asks for the next thing. */
  async ask<T>(): Promise<T> {
    const next = this.next<T>();
    this.#child.stdin!.write('\n');
    return next;
  }

  /** Ends it without a word. Harmless when it has ended. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
