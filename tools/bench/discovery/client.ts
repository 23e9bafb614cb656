// What clients of the network measure. Each is new: it has joined, and has looked for nothing yet.
import type { LloomBehaviour, Provider } from '@lloom/behaviour';
import { createNode, createStockNode, soon, wantedModel, type Hub, type StockNode } from './nodes.ts';

/** How often a client that knows everything already looks again. */
const warmTimes = 10;
const selectTimes = 100;

/** One client iterated over providers. */
export interface Iterated {
  readonly firstMs: number;
  /** Until everybody was asked. */
  readonly allMs: number;
  readonly found: number;
}

/** One client asked for the list. */
export interface Listed {
  readonly coldMs: number;
  /** How many were in that list. */
  readonly found: number;
  /** The same again, in ms each. */
  readonly warmMs: readonly number[];
  /** Selections out of what is known then, in ms each. */
  readonly selectMs: readonly number[];
}

/** One client on bare kad-dht asked it to the end. */
export interface Drained {
  readonly allMs: number;
  readonly found: number;
}

/** Whom two clients name, ours and the stock one. */
export interface Named {
  /** Everybody asked. */
  readonly ours: readonly string[];
  /** As lists are made without saying anything else. */
  readonly listed: readonly string[];
  readonly stock: readonly string[];
}

/** A time before anything is measured: what joining, and the client before, left over is done then. */
const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 250));

async function withNode<T>(hub: Hub, act: (node: LloomBehaviour) => Promise<T>): Promise<T> {
  const node = await createNode(hub);
  try {
    await node.bootstrap({ signal: soon() });
    await quiet();
    return await act(node);
  } finally {
    await node.stop({ drainMs: 0 });
  }
}

/** Iterates over providers until everybody was asked. */
export const iterate = (hub: Hub): Promise<Iterated> =>
  withNode(hub, async (node) => {
    const start = performance.now();
    let firstMs = Number.NaN;
    let found = 0;
    for await (const _ of node.modelProviders(wantedModel, { signal: soon() })) {
      found += 1;
      if (found === 1) firstMs = performance.now() - start;
    }
    return { firstMs, allMs: performance.now() - start, found };
  });

/** Asks for the list, again for what is known by then, and selects of that. */
export const list = (hub: Hub): Promise<Listed> =>
  withNode(hub, async (node) => {
    const find = () => timed(() => node.findModelProviders(wantedModel, { signal: soon() }));
    const start = performance.now();
    const { length: found } = await node.findModelProviders(wantedModel, { signal: soon() });
    const coldMs = performance.now() - start;
    return {
      coldMs,
      found,
      warmMs: await repeated(warmTimes, find),
      selectMs: await repeated(selectTimes, selecting(node)),
    };
  });

/** Asks bare kad-dht to its end. */
export async function drain(hub: Hub): Promise<Drained> {
  const node = await createStockNode(hub);
  try {
    await quiet();
    const start = performance.now();
    const { length: found } = await node.findProviders();
    return { allMs: performance.now() - start, found };
  } finally {
    await node.stop();
  }
}

/** Two clients that stay, have looked once, and can be asked again. */
export class Standing {
  readonly #ours: LloomBehaviour;
  readonly #stock: StockNode;

  private constructor(ours: LloomBehaviour, stock: StockNode) {
    this.#ours = ours;
    this.#stock = stock;
  }

  static async create(hub: Hub): Promise<Standing> {
    const ours = await createNode(hub);
    await ours.bootstrap({ signal: soon() });
    const standing = new Standing(ours, await createStockNode(hub));
    await standing.named();
    return standing;
  }

  /** Whom they name now. */
  async named(): Promise<Named> {
    const namesOf = (providers: Provider[]): string[] => providers.map(({ peerId }) => peerId);
    const listed = await this.#ours.findModelProviders(wantedModel, { signal: soon() });
    const ours = await this.#ours.findModelProviders(wantedModel, { signal: soon(), maxAgeMs: 0 });
    return { listed: namesOf(listed), ours: namesOf(ours), stock: await this.#stock.findProviders() };
  }
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

async function repeated(times: number, act: () => Promise<number>): Promise<number[]> {
  const figures: number[] = [];
  for (let i = 0; i < times; i++) figures.push(await act());
  return figures;
}

/** One selection by price. */
function selecting(node: LloomBehaviour): () => Promise<number> {
  return () => timed(() => node.selectExecutor({ model: wantedModel, prefer: 'price' }));
}
