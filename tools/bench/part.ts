import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a part says to a question, by the question's number. */
type Saying = { readonly id: number } & ({ readonly told: unknown } | { readonly failed: string });

/** What a part is asked. */
interface Asking {
  readonly id: number;
  readonly question: string;
  readonly asked: unknown;
}

/** What a part can be asked: each question with what is asked, and what is told. */
export type Questions = Record<string, { readonly asked: unknown; readonly told: unknown }>;

/** How the process of a part begins. */
export interface PartConfig {
  /** What Node is told besides. @default what this process was told */
  readonly nodeArgs?: readonly string[] | undefined;
  /** The command that starts Node, which must become that process. @default none: it is started as it is */
  readonly within?: readonly string[];
  /** @default what this process has */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Far beyond any question: a part that hangs ends the suite. */
const limitMs = 60_000;

/** A process with nodes of a network, which answers questions. */
export class Part<Q extends { readonly [K in keyof Q]: Questions[string] }> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (saying: Saying) => void>();
  #lastId = 0;

  /** @param script the module that answers, with {@link answerQuestions} */
  constructor(script: URL, { nodeArgs = process.execArgv, within = [], env = process.env }: PartConfig = {}) {
    const [execPath, ...execArgv] = [...within, process.execPath, ...nodeArgs];
    this.#child = fork(fileURLToPath(script), { execPath: execPath!, execArgv, env });
    this.#child.on('message', (message) => {
      const saying = message as Saying;
      this.#waiting.get(saying.id)?.(saying);
    });
    const end = (): void => {
      for (const [id, settle] of this.#waiting) settle({ id, failed: 'its process ended' });
    };
    // One that cannot be killed or reached has ended, or never began.
    this.#child.once('exit', end).on('error', end);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Asks it. Several questions may be under way.
   * @throws what went wrong there, or that it has ended
   */
  async ask<K extends keyof Q & string>(question: K, asked: Q[K]['asked']): Promise<Q[K]['told']> {
    this.#lastId += 1;
    const id = this.#lastId;
    const saying = await new Promise<Saying>((resolve) => {
      const timer = setTimeout(() => settle({ id, failed: `no answer within ${limitMs} ms` }), limitMs);
      const settle = (said: Saying): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(said);
      };
      this.#waiting.set(id, settle);
      if (this.#hasEnded) settle({ id, failed: 'its process ended' });
      else this.#child.send({ id, question, asked } satisfies Asking);
    });
    if ('told' in saying) return saying.told as Q[K]['told'];
    throw new Error(`${question}: ${saying.failed}`);
  }

  /** Ends it without a word to anybody. Harmless when it has ended. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

/** Has this process answer whoever started it, for as long as that one is there. */
export function answerQuestions<Q extends { readonly [K in keyof Q]: Questions[string] }>(
  answer: (question: keyof Q, asked: unknown) => Promise<unknown>,
): void {
  process.on('message', ({ id, question, asked }: Asking) => {
    const say = (saying: Saying): void => void (process.connected && process.send!(saying));
    answer(question as keyof Q, asked).then(
      (told) => say({ id, told: told ?? null }),
      (error: unknown) => say({ id, failed: error instanceof Error ? `${error.stack}` : String(error) }),
    );
  });
  // Whoever asked is gone.
  process.once('disconnect', () => process.exit());
}
