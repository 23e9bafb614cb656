import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { chartSvg, type LiveMachines, type MachineChart } from '@lloom/inspector';

/** What the thread is told to draw. */
export interface ChartOrder {
  readonly machine: string;
  readonly chart: MachineChart;
}

/** What it answers. */
export type DrawnChart =
  | { readonly machine: string; readonly svg: string }
  | { readonly machine: string; readonly problem: string };

/** Pictures of machines, each drawn once, in a thread that is started with the first. */
export class Charts {
  readonly #live: Pick<LiveMachines, 'chart'>;
  /** As many as machines are followed, and those are bounded. */
  readonly #drawn = new Map<string, Promise<string>>();
  readonly #waiting = new Map<string, PromiseWithResolvers<string>>();
  #thread: Worker | undefined;
  #isClosed = false;

  constructor(live: Pick<LiveMachines, 'chart'>) {
    this.#live = live;
  }

  /** The picture of a machine as SVG; `undefined` when it was not seen. */
  async of(machine: string): Promise<string | undefined> {
    const chart = this.#live.chart(machine);
    if (chart === undefined) return undefined;
    const drawn = this.#drawn.get(machine) ?? this.#draw({ machine, chart });
    this.#drawn.set(machine, drawn);
    return drawn;
  }

  /** Ends the thread; what it has not drawn is not drawn any more. */
  close(): void {
    this.#isClosed = true;
    void this.#thread?.terminate();
  }

  /** Where there can be no thread, as in a program that was put into one file, it is drawn here. */
  async #draw(order: ChartOrder): Promise<string> {
    try {
      const drawn = Promise.withResolvers<string>();
      this.#waiting.set(order.machine, drawn);
      this.#thread ??= this.#start();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.#thread.postMessage(order);
      return await drawn.promise;
    } catch (error) {
      if (this.#isClosed) throw error;
      return chartSvg(order.chart);
    }
  }

  #start(): Worker {
    const file = `./chartThread${extname(import.meta.filename)}`;
    const thread = new Worker(new URL(file, import.meta.url));
    thread.unref();
    thread.on('message', (drawn: DrawnChart) => {
      const waiting = this.#waiting.get(drawn.machine);
      this.#waiting.delete(drawn.machine);
      if ('svg' in drawn) waiting?.resolve(drawn.svg);
      else waiting?.reject(new Error(drawn.problem));
    });
    const fail = (error: Error): void => {
      for (const waiting of this.#waiting.values()) waiting.reject(error);
      this.#waiting.clear();
    };
    thread.on('error', fail);
    thread.once('exit', () => {
      this.#thread = undefined;
      fail(new Error('the thread has ended'));
    });
    return thread;
  }
}
