import type { NodeState } from '@lloom/behaviour';
import type { ViewSample } from './types.ts';

/** Two minutes, at one each second. */
const maxSamples = 120;

/** What a sample is made of. */
export type Figures = NodeState['metrics']['network'];

/** The figures of the last two minutes. */
export class Samples {
  readonly #kept: ViewSample[] = [];
  #before: { readonly figures: Figures; readonly elapsedMs: number } | undefined;

  /** The oldest first. */
  get all(): readonly ViewSample[] {
    return this.#kept;
  }

  /** Adds what is so now. The first is what the next ones are compared with. */
  add(figures: Figures, { at, elapsedMs }: { readonly at: number; readonly elapsedMs: number }): void {
    const { figures: former, elapsedMs: since } = this.#before ?? { figures, elapsedMs };
    const perSecond = (count: (of: Figures) => number): number =>
      elapsedMs > since
        ? Math.round(((count(figures) - count(former)) * 10_000) / (elapsedMs - since)) / 10
        : 0;
    if (this.#before !== undefined) {
      this.#kept.push({
        at,
        bytesInPerSecond: perSecond(({ bytesIn }) => bytesIn),
        bytesOutPerSecond: perSecond(({ bytesOut }) => bytesOut),
        sentPerSecond: perSecond(({ messagesSent }) => messagesSent),
        receivedPerSecond: perSecond(({ messagesReceived }) => messagesReceived),
        activeRequests: figures.activeRequests,
        connectedPeers: figures.connectedPeers,
      });
    }
    this.#before = { figures, elapsedMs };
    if (this.#kept.length > maxSamples) this.#kept.shift();
  }
}
