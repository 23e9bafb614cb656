import type { GossipNode } from './node.ts';
import type { Notices } from './notices.ts';
import { encodePayload, nowMs } from './payload.ts';

/** Messages of which always the same number is under way, from the nodes of two processes. */
export interface ClosedLoad {
  /** How many of them are of nodes of this process. */
  readonly inFlight: number;
  /** When no more are published, in ms from the start. */
  readonly ms: number;
}

/** What came of it at one process. */
export interface ClosedDone {
  /** Messages that all other nodes have. */
  readonly count: number;
  /** Those that some did not get. */
  readonly lost: number;
  /** By the shared clock. */
  readonly startMs: number;
  readonly lastMs: number;
}

interface UnderWay {
  missing: number;
  readonly dueMs: number;
  readonly settle: (isThere: boolean) => void;
}

/** After what a message is lost: stock gossipsub takes some seconds for a full window. */
const lostMs = 10_000;
/** And after what, when no message arrives anywhere. */
const silenceMs = 4_000;
/** After a message that could not be published. */
const pauseMs = 20;

/** This process's side of a network of two, each with as many nodes. */
export class Side {
  readonly #nodes: readonly GossipNode[];
  /** The first id; those of the other side are between ours. */
  readonly #first: number;
  readonly #notices: Notices;
  readonly #underWay = new Map<number, UnderWay>();
  /** How many nodes here have a message of the other side. */
  readonly #arrived = new Map<number, number>();
  #next: number;
  #heardMs = 0;

  constructor(nodes: readonly GossipNode[], first: number, notices: Notices) {
    this.#nodes = nodes;
    this.#first = first;
    this.#next = first;
    this.#notices = notices;
  }

  /** A node here has a message. */
  onMessage(id: number): void {
    this.#heardMs = nowMs();
    if (id % 2 === this.#first) return this.#have(id, 1);
    const count = (this.#arrived.get(id) ?? 0) + 1;
    if (count < this.#nodes.length) {
      this.#arrived.set(id, count);
      return;
    }
    this.#arrived.delete(id);
    this.#notices.tell(id);
  }

  /** All nodes of the other side have a message of ours. */
  onNotice(id: number): void {
    this.#have(id, this.#nodes.length);
  }

  /** Keeps so many messages under way until the time is over and the last has arrived. */
  async run({ inFlight, ms }: ClosedLoad): Promise<ClosedDone> {
    const startMs = nowMs();
    let [count, lost, lastMs] = [0, 0, startMs];
    const place = async (): Promise<void> => {
      do {
        if (await this.#spread()) {
          count += 1;
          lastMs = nowMs();
        } else {
          lost += 1;
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      } while (nowMs() - startMs < ms);
    };
    const sweep = setInterval(() => this.#giveUp(), 500);
    try {
      await Promise.all(Array.from({ length: inFlight }, place));
    } finally {
      clearInterval(sweep);
    }
    return { count, lost, startMs, lastMs };
  }

  /** Publishes one message, and waits until everybody has it. */
  async #spread(): Promise<boolean> {
    const id = this.#next;
    this.#next += 2;
    const node = this.#nodes[((id - this.#first) / 2) % this.#nodes.length]!;
    const dueMs = nowMs();
    const isThere = new Promise<boolean>((settle) => {
      this.#underWay.set(id, { missing: this.#nodes.length * 2 - 1, dueMs, settle });
    });
    try {
      await node.publish(encodePayload({ id, dueMs }));
    } catch {
      this.#underWay.delete(id);
      return false;
    }
    return isThere;
  }

  #have(id: number, nodes: number): void {
    const message = this.#underWay.get(id);
    if (message === undefined) return;
    message.missing -= nodes;
    if (message.missing > 0) return;
    this.#underWay.delete(id);
    message.settle(true);
  }

  #giveUp(): void {
    const now = nowMs();
    const before = now - (now - this.#heardMs > silenceMs ? silenceMs : lostMs);
    for (const [id, { dueMs, settle }] of this.#underWay) {
      if (dueMs > before) return;
      this.#underWay.delete(id);
      settle(false);
    }
  }
}
