import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a part says to a question. */
export type Saying = { readonly told: unknown } | { readonly failed: string };

/** What a part can be asked: each question with what is asked, and what is told. */
export type Questions = Record<string, { readonly asked: unknown; readonly told: unknown }>;

/** Far beyond any question: a part that hangs ends the suite. */
const limitMs = 60_000;

/** A process with nodes of a network, which is asked one thing at a time. */
export class Part<Q extends { readonly [K in keyof Q]: Questions[string] }> {
  readonly #child: ChildProcess;

  /**
   * @param script the module that answers
   * @param nodeArgs what Node is told besides. @default what this process was told
   */
  constructor(script: URL, nodeArgs: readonly string[] = process.execArgv) {
    this.#child = fork(fileURLToPath(script), { execArgv: [...nodeArgs] });
  }

  /**
   * Asks it.
   * @throws what went wrong there, or that it has ended
   */
  async ask<K extends keyof Q & string>(question: K, asked: Q[K]['asked']): Promise<Q[K]['told']> {
    const saying = await new Promise<Saying>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#child.off('message', onMessage).off('exit', onExit);
        act();
      };
      const fail = (why: string) => settle(() => reject(new Error(`${question}: ${why}`)));
      const onMessage = (message: unknown) => settle(() => resolve(message as Saying));
      const onExit = () => fail('its process ended');
      const timer = setTimeout(() => fail(`no answer within ${limitMs} ms`), limitMs);
      this.#child.once('message', onMessage).once('exit', onExit);
      this.#child.send({ question, asked });
    });
    if ('told' in saying) return saying.told as Q[K]['told'];
    throw new Error(`${question}: ${saying.failed}`);
  }

  /** Ends it without a word to anybody. Harmless when it has ended. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
