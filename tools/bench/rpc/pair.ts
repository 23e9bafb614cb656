import type { Done, Load } from './load.ts';
import type { OpenDone, OpenLoad } from './openLoad.ts';
import type { Blocked } from './stack.ts';
import type { StackName } from './stacks.ts';
import type { Usage } from './worker.ts';
import { Worker } from './workers.ts';

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

  /** Requests that wait for no answer. */
  open(load: OpenLoad): Promise<OpenDone> {
    return this.#client.ask('open', load);
  }

  /** What kept the client and the server from everything else since they were asked last. */
  blocked(): Promise<[client: Blocked, server: Blocked]> {
    return Promise.all([this.#client.ask('blocked', undefined), this.#server.ask('blocked', undefined)]);
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
