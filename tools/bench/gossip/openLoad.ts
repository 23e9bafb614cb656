import type { GossipNode } from './node.ts';
import { encodePayload, nowMs, type Payload } from './payload.ts';

/** Messages that are published when they are due, however many are under way. */
export interface OpenLoad {
  /** In order, and each id once in the life of a network. */
  readonly messages: readonly { readonly id: number; readonly afterMs: number; readonly node: number }[];
  /** By the shared clock. */
  readonly startMs: number;
  /** How many are to come to the nodes of this process, those of other processes included. */
  readonly expected: number;
  /** How long those are waited for, from the start. */
  readonly ms: number;
}

/** What came of it at one process. */
export interface OpenDone {
  /** How old each message was at each node that got it, from when it was due, in ms. */
  readonly agesMs: readonly number[];
  /** How many could not be published. */
  readonly failed: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const pollMs = 20;

/** The receiving end of messages that come when they come. */
export class Arrivals {
  #startMs = 0;
  #agesMs: number[] = [];

  /** A node here has a message. Those of an earlier load are nothing of this one. */
  onMessage({ dueMs }: Payload): void {
    if (dueMs >= this.#startMs) this.#agesMs.push(nowMs() - dueMs);
  }

  /** Publishes all, and waits for what is to come. */
  async run(nodes: readonly GossipNode[], load: OpenLoad): Promise<OpenDone> {
    const { messages, startMs, expected, ms } = load;
    this.#startMs = startMs;
    this.#agesMs = [];
    let failed = 0;
    const published = messages.map(async ({ id, afterMs, node }) => {
      const dueMs = startMs + afterMs;
      await sleep(dueMs - nowMs());
      await nodes[node]!.publish(encodePayload({ id, dueMs })).catch(() => {
        failed += 1;
      });
    });
    while (this.#agesMs.length < expected && nowMs() - startMs < ms) await sleep(pollMs);
    await Promise.race([Promise.all(published), sleep(ms)]);
    return { agesMs: this.#agesMs, failed };
  }
}
