import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Missing } from './stack.ts';
import type { StackName } from './stacks.ts';
import type { Questions, Saying } from './worker.ts';

const script = fileURLToPath(new URL('worker.ts', import.meta.url));
/** Far beyond any round: a stack that hangs ends the suite. */
const limitMs = 60_000;

/** A process of ours that is asked one thing at a time. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #name: StackName;

  private constructor(name: StackName, address?: string) {
    this.#name = name;
    this.#child = fork(script, address === undefined ? [name] : [name, address]);
  }

  /** Resolves when it is ready, with what it says then. */
  static async start(name: StackName, address?: string): Promise<{ worker: Worker; told: unknown }> {
    const worker = new Worker(name, address);
    try {
      return { worker, told: await worker.#listen() };
    } catch (error) {
      worker.#child.kill('SIGKILL');
      throw error;
    }
  }

  /**
   * Asks it.
   * @throws what went wrong there, or that it has ended
   */
  async ask<Q extends keyof Questions>(
    question: Q,
    asked: Questions[Q]['asked'],
  ): Promise<Questions[Q]['told']> {
    this.#child.send({ question, asked });
    return (await this.#listen()) as Questions[Q]['told'];
  }

  /** Ends it, by force when it does not end by itself. Harmless when it has ended. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await this.ask('stop', undefined).catch(() => this.#child.kill('SIGKILL'));
    await ended;
    clearTimeout(timer);
  }

  async #listen(): Promise<unknown> {
    const saying = await new Promise<Saying>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#child.off('message', onMessage).off('exit', onExit);
        act();
      };
      const fail = (why: string) => settle(() => reject(new Error(`${this.#name}: ${why}`)));
      const onMessage = (message: unknown) => settle(() => resolve(message as Saying));
      const onExit = () => fail('its process ended');
      const timer = setTimeout(() => fail(`no answer within ${limitMs} ms`), limitMs);
      this.#child.once('message', onMessage).once('exit', onExit);
    });
    if ('told' in saying) return saying.told;
    if ('missing' in saying) throw new Missing(saying.missing);
    throw new Error(`${this.#name}: ${saying.failed}`);
  }
}
