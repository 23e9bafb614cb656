import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** One line that a command prints. */
type Told = Readonly<Record<string, unknown>>;

const program = fileURLToPath(new URL('../../../../packages/cli/dist/bin.js', import.meta.url));
/** Far beyond any start. */
const limitMs = 30_000;

/** `lloom` with a command that runs until it is stopped. */
export class Command {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(args: readonly string[]) {
    this.#name = `lloom ${args[0]}`;
    this.#child = spawn(process.execPath, [program, ...args, '--json', '--quiet'], {
      // The channel carries nothing: cut, it ends the command with this process.
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * The next event of that name.
   * @throws when the command ends before, or takes too long
   */
  async event(name: string): Promise<Told> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    let last = 'nothing';
    try {
      for (;;) {
        const { value, done } = await this.#lines.next();
        if (done === true) throw new Error(`${this.#name} ended before "${name}"; it said last: ${last}`);
        last = value;
        const told = JSON.parse(value) as Told;
        if (told['event'] === name) return told;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
