import type { ElkNode } from 'elkjs/lib/elk-api.js';

/** The part of ELK's worker that computes. It is called without the messages around it, which wait for timers. */
interface Worker {
  onmessage: (answer: { readonly data: Answer }) => void;
  readonly dispatcher: { saveDispatch(message: { readonly data: object }): void };
}

interface Answer {
  readonly data?: ElkNode;
  readonly error?: { readonly message?: string };
}

let worker: Promise<Worker> | undefined;

/**
 * Places the nodes and edges of a graph. Needs no timer, so it works where time is simulated or stands still.
 * @throws {Error} when ELK cannot lay the graph out
 */
export async function layOut(graph: ElkNode): Promise<ElkNode> {
  worker ??= load();
  return ask(await worker, { id: 1, cmd: 'layout', graph, layoutOptions: {}, options: {} }) ?? graph;
}

/** Loaded with the first picture: it is large, and most tests draw none. */
async function load(): Promise<Worker> {
  // @ts-expect-error -- ELK ships no types for this file
  const module = (await import('elkjs/lib/elk-worker.min.js')) as {
    readonly default: { readonly Worker: new () => Worker };
  };
  const loaded = new module.default.Worker();
  ask(loaded, { id: 0, cmd: 'register', algorithms: ['layered', 'rectpacking'] });
  return loaded;
}

function ask(at: Worker, message: object): ElkNode | undefined {
  let answer: Answer = {};
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- it is no event target
  at.onmessage = ({ data }) => void (answer = data);
  at.dispatcher.saveDispatch({ data: message });
  if (answer.error !== undefined) throw new Error(`ELK: ${answer.error.message ?? 'the layout failed'}`);
  return answer.data;
}
