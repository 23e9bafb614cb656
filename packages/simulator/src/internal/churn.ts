import type { SeededRandom } from '@lloom/simkit';
import type { ResolvedChurn } from '../config.ts';
import type { SimNode } from './simNode.ts';

/** What nodes come and go with. */
export interface ChurnPorts {
  readonly random: SeededRandom;
  readonly elapsed: () => number;
  /** Calls something at a moment of virtual time, in ms. */
  readonly at: (elapsedMs: number, act: () => unknown) => void;
  readonly nodes: () => readonly SimNode[];
  readonly crash: (node: SimNode, isSilent: boolean) => void;
  readonly restart: (node: SimNode) => Promise<void>;
}

/** Nodes that come and go, each by itself. */
export class Churn {
  readonly #config: ResolvedChurn;
  readonly #ports: ChurnPorts;
  #isStopped = false;

  constructor(config: ResolvedChurn, ports: ChurnPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  start(): void {
    const { at, nodes, random, elapsed } = this.#ports;
    at(Math.max(this.#config.fromMs, elapsed()), () => {
      if (this.#isStopped) return;
      for (const node of nodes()) this.#planCrash(node, random.fork(node.name));
    });
  }

  /** No node crashes any more; those that are down come back. */
  stop(): void {
    this.#isStopped = true;
  }

  #planCrash(node: SimNode, random: SeededRandom): void {
    const { meanUpMs, untilMs, isSilent } = this.#config;
    const atMs = this.#ports.elapsed() + exponential(random, meanUpMs);
    if (atMs >= untilMs) return;
    const isSilentNow = isSilent ?? random.float() < 0.5;
    this.#ports.at(atMs, () => {
      if (this.#isStopped) return;
      // Somebody else has crashed it, and looks after it.
      if (!node.isUp) return this.#planCrash(node, random);
      this.#ports.crash(node, isSilentNow);
      this.#planRestart(node, random);
    });
  }

  #planRestart(node: SimNode, random: SeededRandom): void {
    const { at, elapsed, restart } = this.#ports;
    at(elapsed() + exponential(random, this.#config.meanDownMs), async () => {
      if (node.state === 'down') await restart(node);
      if (!this.#isStopped) this.#planCrash(node, random);
    });
  }
}

const exponential = (random: SeededRandom, meanMs: number): number => -Math.log(1 - random.float()) * meanMs;
