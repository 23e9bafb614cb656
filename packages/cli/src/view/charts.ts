import { once, type EventEmitter } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { chartSvg, type LiveMachines, type MachineChart } from '@lloom/inspector';

/** What the thread answers to a chart. */
export type DrawnChart = { readonly svg: string } | { readonly problem: string };

/** What draws: it says something when it is ready, and then a {@link DrawnChart} for each chart that it is sent. */
export interface ChartThread extends EventEmitter {
  readonly postMessage: (chart: MachineChart) => void;
  readonly terminate: () => Promise<unknown>;
}

/** How charts are drawn. */
export interface ChartSettings {
  /** How long one may take, in ms; then the thread is ended. Less than an answer may take. @default 8_000 */
  readonly drawMs: number;
  readonly startThread: () => ChartThread;
}

const ownSettings: ChartSettings = { drawMs: 8_000, startThread };

/** Pictures of machines, each drawn once, one after another, in a thread that is started with the first. */
export class Charts {
  readonly #live: Pick<LiveMachines, 'chart'>;
  readonly #settings: ChartSettings;
  /** As many as machines are followed, and those are bounded. */
  readonly #drawn = new Map<string, Promise<string>>();
  #last: Promise<unknown> = Promise.resolve();
  #thread: ChartThread | undefined;
  #isClosed = false;

  constructor(live: Pick<LiveMachines, 'chart'>, settings: Partial<ChartSettings> = {}) {
    this.#live = live;
    this.#settings = { ...ownSettings, ...settings };
  }

  /**
   * The picture of a machine as SVG; `undefined` when it was not seen. Rejects when it cannot be drawn, or not in time: who asks
   * again has it tried again.
   */
  async of(machine: string): Promise<string | undefined> {
    const chart = this.#live.chart(machine);
    if (chart === undefined) return undefined;
    const known = this.#drawn.get(machine);
    if (known !== undefined) return known;
    const drawn = this.#last.then(() => this.#draw(chart));
    this.#drawn.set(machine, drawn);
    this.#last = drawn.catch(() => this.#drawn.delete(machine));
    return drawn;
  }

  /** Ends the thread; what it has not drawn is not drawn any more. */
  close(): void {
    this.#isClosed = true;
    void this.#thread?.terminate();
  }

  /** Where there can be no thread, as in a program that was put into one file, it is drawn here. */
  async #draw(chart: MachineChart): Promise<string> {
    const thread = this.#isClosed ? undefined : await this.#ready();
    if (this.#isClosed) throw new Error('the view is closed');
    return thread === undefined ? chartSvg(chart) : this.#ask(thread, chart);
  }

  /** `undefined` when no thread can be started. */
  async #ready(): Promise<ChartThread | undefined> {
    if (this.#thread !== undefined) return this.#thread;
    try {
      const thread = this.#settings.startThread();
      this.#thread = thread;
      const over = new AbortController();
      // It may fail when nobody waits for it.
      thread.on('error', () => undefined);
      thread.once('exit', () => {
        if (this.#thread === thread) this.#thread = undefined;
        over.abort();
      });
      await once(thread, 'message', { signal: over.signal });
      return thread;
    } catch {
      this.#thread = undefined;
      return undefined;
    }
  }

  async #ask(thread: ChartThread, chart: MachineChart): Promise<string> {
    const over = new AbortController();
    const end = (): void => over.abort(new Error('the chart was not drawn in time'));
    const timer = setTimeout(end, this.#settings.drawMs);
    thread.once('exit', end);
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      thread.postMessage(chart);
      const [drawn] = (await once(thread, 'message', { signal: over.signal })) as [DrawnChart];
      if ('svg' in drawn) return drawn.svg;
      throw new Error(drawn.problem);
    } finally {
      clearTimeout(timer);
      thread.off('exit', end);
      if (over.signal.aborted) {
        // The next one has a thread of its own: this one may never stop.
        this.#thread = undefined;
        void thread.terminate();
      }
    }
  }
}

function startThread(): ChartThread {
  const file = `./chartThread${extname(import.meta.filename)}`;
  const thread = new Worker(new URL(file, import.meta.url));
  thread.unref();
  return thread;
}
