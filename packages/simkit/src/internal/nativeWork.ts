import crypto from 'node:crypto';
import fs from 'node:fs';
import { promisify, types } from 'node:util';
import zlib from 'node:zlib';
import { SimkitError } from '../errors.ts';
import { native } from './native.ts';
import { realOf, type Callable, type Replacements } from './replacements.ts';
import { unfinished, type Unfinished } from './unfinishedWork.ts';

const setTimeout = realOf(globalThis.setTimeout);
const clearTimeout = realOf(globalThis.clearTimeout);

const slowCrypto = [
  'argon2',
  'checkPrime',
  'decapsulate',
  'diffieHellman',
  'encapsulate',
  'generateKey',
  'generateKeyPair',
  'generatePrime',
  'hkdf',
  'pbkdf2',
  'scrypt',
  'sign',
  'verify',
];
const withSyncForm = (target: object): string[] =>
  Object.keys(target).filter((key) => `${key}Sync` in target);
/** How the platform calls its requests for files and for names of hosts. */
const request = /^(?:FSReq|GetAddrInfoReq|GetNameInfoReq)/;
const realMs = 1;

/** Work that was started and whose result nobody has yet. */
interface Job extends Unfinished {
  /** Hands over the result. Absent as long as there is none. */
  deliver?: () => void;
  /** Called when there is a result. */
  wake?: () => void;
}

/** Functions that start such work. */
interface Group {
  readonly name: string;
  readonly target: object;
  readonly keys: readonly string[];
}

/** What may be called with a result when there is one. */
type Finish = (deliver: () => void) => void;

/**
 * Work that other threads do in real time. While the clock runs, time waits for it, and results are handed over in the
 * order in which the work began, each on a turn of its own: how long it took changes nothing.
 */
export class NativeWork {
  readonly #jobs = new Set<Job>();
  readonly #limitMs: number;
  #isHeld = false;
  #isAbandoned = false;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** How much of it there is. */
  get size(): number {
    return this.#jobs.size;
  }

  /**
   * Waits for work that was started before virtual time began, or in a network that has ended.
   * @throws {SimkitError} `NATIVE_PENDING` when it takes too long
   */
  async unseen(): Promise<void> {
    const startMs = native.elapsed();
    while (!this.#isAbandoned) {
      const files = process.getActiveResourcesInfo().filter((name) => request.test(name));
      const what = [...files, ...[...unfinished].map(({ name }) => name)];
      if (what.length === 0) return;
      const waitedMs = native.elapsed() - startMs;
      if (waitedMs > this.#limitMs) {
        // Told once: what never ends shall not end every run to come.
        unfinished.clear();
        throw new SimkitError('NATIVE_PENDING', { what: [...new Set(what)], waitedMs: Math.round(waitedMs) });
      }
      await new Promise((resolve) => setTimeout(resolve, realMs));
    }
  }

  /** From now on, results wait until they are asked for. */
  hold(): void {
    this.#isHeld = true;
  }

  /** From now on, results are handed over when they come. */
  release(): void {
    this.#isHeld = false;
    for (const job of this.#jobs) {
      if (job.deliver !== undefined) this.#deliver(job, job.deliver);
    }
  }

  /**
   * Waits for the oldest work and hands over its result.
   * @throws {SimkitError} `NATIVE_PENDING` when it takes too long
   */
  async deliverOldest(): Promise<void> {
    const [job] = this.#jobs;
    if (job === undefined) return;
    if (job.deliver === undefined) await this.#result(job);
    if (job.deliver !== undefined) this.#deliver(job, job.deliver);
  }

  /** Waits for nothing that is under way, now or later: whoever comes next does. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const job of this.#jobs) {
      if (job.deliver === undefined) unfinished.add(job);
      job.wake?.();
    }
    this.#jobs.clear();
  }

  /** Counts everything that other threads do and that can be seen from here. */
  watch(replacements: Pick<Replacements, 'fn'>): void {
    this.watchUnlisted(replacements);
    this.#count(replacements, { name: 'fs', target: fs, keys: withSyncForm(fs) });
    this.#count(replacements, { name: 'fs.promises', target: fs.promises, keys: Object.keys(fs.promises) });
  }

  /** Counts what the platform does not list among its active resources. */
  watchUnlisted(replacements: Pick<Replacements, 'fn'>): void {
    const subtle = Object.getOwnPropertyNames(SubtleCrypto.prototype).filter((key) => key !== 'constructor');
    this.#count(replacements, { name: 'crypto.subtle', target: SubtleCrypto.prototype, keys: subtle });
    this.#count(replacements, { name: 'crypto', target: crypto, keys: slowCrypto });
    this.#count(replacements, { name: 'zlib', target: zlib, keys: withSyncForm(zlib) });
    this.#count(replacements, { name: 'WebAssembly', target: WebAssembly, keys: ['compile', 'instantiate'] });
  }

  #count(replacements: Pick<Replacements, 'fn'>, { name, target, keys }: Group): void {
    for (const key of keys) {
      const original: unknown = Reflect.get(target, key);
      if (typeof original !== 'function') continue;
      const counted = this.#counted(original as Callable, `${name}.${key}`);
      const custom: unknown = Reflect.get(original, promisify.custom);
      if (typeof custom === 'function') {
        Object.assign(counted, { [promisify.custom]: this.#counted(custom as Callable, `${name}.${key}`) });
      }
      replacements.fn(target, key, counted);
    }
  }

  /** The result of what it starts is a promise, or goes to its last argument. */
  #counted(original: Callable, name: string): Callable {
    const start = (): Finish => this.#start(name);
    return function (...args) {
      const callback = args.at(-1);
      if (typeof callback !== 'function') {
        const result = Reflect.apply(original, this, args);
        return types.isPromise(result) ? later(result, start()) : result;
      }
      const finish = start();
      const hear = (...results: unknown[]): void =>
        finish(() => Reflect.apply(callback as Callable, undefined, results));
      try {
        return Reflect.apply(original, this, [...args.slice(0, -1), hear]);
      } catch (error) {
        finish(() => {});
        throw error;
      }
    };
  }

  #start(name: string): Finish {
    const job: Job = { name };
    (this.#isAbandoned ? unfinished : this.#jobs).add(job);
    return (deliver) => {
      if (!this.#isHeld || this.#isAbandoned) return this.#deliver(job, deliver);
      job.deliver = deliver;
      job.wake?.();
    };
  }

  #deliver(job: Job, deliver: () => void): void {
    this.#jobs.delete(job);
    unfinished.delete(job);
    deliver();
  }

  async #result(job: Job): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(this.#pending()), this.#limitMs);
    job.wake = resolve;
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #pending(): SimkitError {
    const late = [...this.#jobs].filter(({ deliver }) => deliver === undefined);
    const what = [...new Set(late.map(({ name }) => name))];
    return new SimkitError('NATIVE_PENDING', { what, waitedMs: this.#limitMs });
  }
}

async function later(result: Promise<unknown>, finish: Finish): Promise<unknown> {
  return new Promise((resolve, reject) => {
    result.then(
      (value) => finish(() => resolve(value)),
      (error: Error) => finish(() => reject(error)),
    );
  });
}
