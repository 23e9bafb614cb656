import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';

const built = inject('programs');
if ('problem' in built) throw new Error(`There is no program to start: ${built.problem}`);
const { folder } = built;

/** The programs, in few files each; and the command as sources, which takes three times as long to start. */
export const programs = {
  lloom: join(folder, 'packages/cli/src/bin.js'),
  demo: join(folder, 'packages/cli/src/demo/main.js'),
  source: fileURLToPath(new URL('../../src/bin.ts', import.meta.url)),
};

/** How a program is started. */
export interface RunConfig {
  readonly program?: string;
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to its stdin, which is then closed. @default closed at once */
  readonly input?: string;
  /** Whether it has a channel to the test. */
  readonly channel?: boolean;
}

/** How a program ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of `--json` output. */
export type JsonLine = Readonly<Record<string, unknown>> & {
  readonly event?: string;
  readonly error?: Record<string, unknown>;
};

/** Sources are found, and errors tell their lines there. */
const always = ['--conditions=@lloom/source', '--enable-source-maps'];

/** What a test that failed may leave behind. */
const alive = new Set<ChildProcess>();
process.once('exit', () => alive.forEach((child) => child.kill('SIGKILL')));

/** A program that runs. Tests wait for what it prints, never for time to pass. */
export class Running {
  stdout = '';
  stderr = '';
  readonly process: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly #watchers = new Set<() => void>();

  constructor(args: readonly string[], config: RunConfig = {}) {
    const { program = programs.lloom, nodeArgs = [], env = {}, cwd, input, channel = false } = config;
    this.process = spawn(process.execPath, [...nodeArgs, ...always, program, ...args], {
      env: { ...inherited(), ...env },
      stdio: [
        input === undefined ? 'ignore' : 'pipe',
        'pipe',
        'pipe',
        ...(channel ? (['ipc'] as const) : []),
      ],
      ...(cwd !== undefined && { cwd }),
    });
    alive.add(this.process);
    this.process.once('exit', () => alive.delete(this.process));
    this.process.stdin?.end(input);
    this.process.stdout?.on('data', (data: Buffer) => this.#take('stdout', data));
    this.process.stderr?.on('data', (data: Buffer) => this.#take('stderr', data));
    // The process's own event for this does not come after a channel was cut from this side.
    const streams = [this.process.stdout, this.process.stderr].map(
      (stream) => stream && once(stream, 'close'),
    );
    this.ended = Promise.all([once(this.process, 'exit'), ...streams]).then(([[code, signal]]) => {
      for (const watch of this.#watchers) watch();
      const { stdout, stderr } = this;
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr };
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Every whole line of stdout, as JSON. */
  lines(): JsonLine[] {
    return parseLines(this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1));
  }

  /** The first line with that event. */
  event(name: string): Promise<JsonLine> {
    return this.until(() => this.lines().find((line) => line.event === name), `event "${name}"`);
  }

  /** Waits until the output holds what is looked for. */
  until<T>(find: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = find();
        if (found !== undefined) resolve(found);
        else if (this.#hasEnded())
          reject(new Error(`it ended before ${what}\n${this.stdout}\n${this.stderr}`));
        else return;
        this.#watchers.delete(watch);
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  /** Sends a signal and waits for the end. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    this.process.kill(signal);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  #hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  #take(name: 'stdout' | 'stderr', data: Buffer): void {
    this[name] += data.toString();
    for (const watch of [...this.#watchers]) watch();
  }
}

/** Runs the command to its end. */
export function lloom(args: readonly string[], config: RunConfig = {}): Promise<Ending> {
  return new Running(args, config).ended;
}

/** JSON lines; throws when one is not JSON. */
export function parseLines(text: string): JsonLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as JsonLine);
}

/** The environment without what would change what a program does. */
function inherited(): NodeJS.ProcessEnv {
  const unwanted = /^(?:LLOOM_|OPENAI_|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$|VITEST)/;
  const kept = Object.entries(process.env).filter(([name]) => !unwanted.test(name));
  // What Node has compiled goes when the programs go.
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: join(folder, 'compiled') };
}
