import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Done, Load } from './load.ts';
import { Missing } from './stack.ts';
import type { StackName } from './stacks.ts';
import type { Questions, Saying, Usage } from './worker.ts';

const script = fileURLToPath(new URL('worker.ts', import.meta.url));
/** Far beyond any round: a stack that hangs ends the suite. */
const limitMs = 60_000;

/** A process of ours that is asked one thing at a time. */
class Worker {
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

  async ask<Q extends keyof Questions>(
    question: Q,
    asked: Questions[Q]['asked'],
  ): Promise<Questions[Q]['told']> {
    this.#child.send({ question, asked });
    return (await this.#listen()) as Questions[Q]['told'];
  }

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

/** What one stack did in one round. */
export interface Round extends Done {
  /** CPU time of a request or token at the client, in microseconds. */
  readonly clientUs: number;
  /** The same at the server. */
  readonly serverUs: number;
}

/** A server and a client of one stack, each in a process of its own. */
export class Pair {
  readonly name: StackName;
  readonly #server: Worker;
  readonly #client: Worker;

  private constructor(name: StackName, server: Worker, client: Worker) {
    this.name = name;
    this.#server = server;
    this.#client = client;
  }

  /**
   * Starts both.
   * @throws {Missing} when the stack cannot run here
   */
  static async start(name: StackName): Promise<Pair> {
    const { worker: server, told: address } = await Worker.start(name);
    try {
      const { worker: client } = await Worker.start(name, address as string);
      return new Pair(name, server, client);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** One round. */
  async run(load: Load): Promise<Round> {
    const [clientBefore, serverBefore] = await this.usage();
    const done = await this.#client.ask('load', load);
    const [clientAfter, serverAfter] = await this.usage();
    const share = (before: Usage, after: Usage): number => (after.cpuUs - before.cpuUs) / done.count;
    return {
      ...done,
      clientUs: share(clientBefore, clientAfter),
      serverUs: share(serverBefore, serverAfter),
    };
  }

  /** What the client and the server used so far. */
  usage(): Promise<[client: Usage, server: Usage]> {
    return Promise.all([this.#client.ask('usage', undefined), this.#server.ask('usage', undefined)]);
  }

  /** Ends both. */
  async stop(): Promise<void> {
    await this.#client.stop();
    await this.#server.stop();
  }
}
