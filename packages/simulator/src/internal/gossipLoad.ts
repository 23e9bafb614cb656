import { GossipTopic, type LloomBehaviour } from '@lloom/behaviour';
import type { ResolvedGossipLoad } from '../config.ts';
import type { GossipTally } from './gossipTally.ts';
import type { SimNode } from './simNode.ts';

/** What status messages are published with. */
export interface GossipLoadPorts {
  readonly tally: GossipTally;
  readonly elapsed: () => number;
  /** Calls something at a moment of virtual time, in ms. */
  readonly at: (elapsedMs: number, act: () => void) => void;
  /** Who may publish now; those that are down are left out. */
  readonly publishers: () => readonly SimNode[];
  readonly up: () => readonly SimNode[];
}

/** The `averageLatencyMs` of our messages: no latency is so small, so those of others are not taken for ours. */
const markMs = Number.MIN_VALUE;

/** Status messages that nodes publish in turn. */
export class GossipLoad {
  readonly #config: ResolvedGossipLoad;
  readonly #ports: GossipLoadPorts;
  #turn = 0;
  #isStopped = false;

  constructor(config: ResolvedGossipLoad, ports: GossipLoadPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  start(): void {
    this.#plan(Math.max(this.#config.fromMs, this.#ports.elapsed()));
  }

  /** Nothing is published any more. */
  stop(): void {
    this.#isStopped = true;
  }

  #plan(atMs: number): void {
    if (atMs >= this.#config.untilMs) return;
    this.#ports.at(atMs, () => {
      if (this.#isStopped) return;
      this.#plan(atMs + this.#config.intervalMs);
      const publishers = this.#ports.publishers().filter(({ isUp }) => isUp);
      const publisher = publishers[this.#turn % Math.max(1, publishers.length)];
      this.#turn += 1;
      if (publisher !== undefined) void this.#publish(publisher);
    });
  }

  async #publish(from: SimNode): Promise<void> {
    const { tally, up } = this.#ports;
    const { behaviour } = from;
    const number = tally.publish(from, up());
    try {
      await behaviour.publishMessage(GossipTopic.NetworkStatus, {
        type: 'networkMetrics',
        totalPeers: behaviour.connectedPeers().length,
        activeExecutors: 0,
        // Names the message, for those who count who has got it.
        activeRequests: number,
        averageLatencyMs: markMs,
      });
    } catch {
      // Nobody was there, or its node went down: then it reaches nobody, and counts as such.
    }
  }
}

/** Has a node take status messages. */
export async function listenForStatus(
  node: SimNode,
  behaviour: LloomBehaviour,
  tally: GossipTally,
): Promise<void> {
  behaviour.addEventListener('message:received', ({ detail: { topic, message } }) => {
    if (topic !== GossipTopic.NetworkStatus || message.type !== 'networkMetrics') return;
    if (message.averageLatencyMs !== markMs) return;
    tally.deliver(message.activeRequests, node);
  });
  await behaviour.subscribeTopic(GossipTopic.NetworkStatus);
}
