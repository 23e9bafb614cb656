import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** One line that a child printed. */
export interface ChildEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** What a child is. */
export interface ChildConfig {
  /** What it is called on the screen. */
  readonly name: string;
  /** The program, and what it is given. */
  readonly program: string;
  readonly args: readonly string[];
  /** What it finds in its environment besides that of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends every wait when it aborts, with its reason. */
  readonly signal: AbortSignal;
}

/**
 * A process of the demo that tells what it does by JSON lines. The channel to it carries nothing: it is there to be
 * cut, so that the child ends also when the demo is killed.
 */
export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #events: ChildEvent[] = [];
  readonly #exit: Promise<number>;
  #log = '';
  #failure: Error | undefined;
  #wake = Promise.withResolvers<void>();
  #isStopping = false;
  #isKilled = false;

  constructor({ name, program, args, signal, env = {} }: ChildConfig) {
    this.name = name;
    this.#signal = signal;
    this.#process = spawn(process.execPath, [...process.execArgv, program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
    });
    const { stdout, stderr } = this.#process;
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.#read(line));
    stderr?.on('data', (data: Buffer) => (this.#log = `${this.#log}${data.toString()}`.slice(-4_000)));
    this.#process.once('error', (error) => this.#fail(error.message));
    this.#exit = once(this.#process, 'close').then(([code]) => (typeof code === 'number' ? code : 1));
    void this.#exit.then((code) => this.#fail(`it ended with ${code}`));
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The last lines that it wrote for people. */
  get log(): readonly string[] {
    return this.#log.trimEnd().split('\n').slice(-10);
  }

  /**
   * The next event, or the next one of that name; those before it are dropped.
   * @throws when the child ended before, or the demo is to stop
   */
  async next(name?: string): Promise<ChildEvent> {
    for (;;) {
      const found = this.#events.shift();
      if (found !== undefined && (name === undefined || found.event === name)) return found;
      if (found !== undefined) continue;
      this.#signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }

  /** All that has been told and not been looked at. */
  pending(): readonly ChildEvent[] {
    return this.#events;
  }

  /** Waits for the child to end by itself. */
  async ended(): Promise<number> {
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(this.#signal.reason as Error);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([this.#exit, aborted.promise]);
    } finally {
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the child at once, as a crash would. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isStopping = true;
    this.#isKilled = this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /**
   * Ends the child in peace, and by force when it takes longer than `patienceMs`. Gives its exit code; 0 for one that was
   * killed before.
   */
  async stop(patienceMs: number): Promise<number> {
    this.#isStopping = true;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), patienceMs);
    const code = await this.#exit;
    clearTimeout(timer);
    return this.#isKilled ? 0 : code;
  }

  #read(line: string): void {
    try {
      const parsed = JSON.parse(line) as ChildEvent & { error?: { code?: string; message?: string } };
      if (parsed.event === undefined) this.#fail(`${parsed.error?.code}: ${parsed.error?.message}`);
      else this.#events.push(parsed);
    } catch {
      this.#fail(`it printed something that is not JSON: ${line}`);
    }
    this.#wake.resolve();
  }

  #fail(problem: string): void {
    if (this.#isStopping) return;
    this.#failure ??= new Error(`${this.name}: ${problem}`);
    this.#wake.resolve();
  }
}
