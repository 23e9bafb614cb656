import type { EndpointConfig, MetricsEndpoint, NodeMetrics } from '@lloom/metrics';
import { BehaviourError } from '../errors.ts';

/** The endpoints of a node: those that are open are closed with it. */
export class Endpoints {
  readonly #figures: Pick<NodeMetrics, 'serve'> | undefined;
  readonly #open = new Set<MetricsEndpoint>();
  #isClosed = false;

  /** @param figures what is served; `undefined` when nothing is counted */
  constructor(figures: Pick<NodeMetrics, 'serve'> | undefined) {
    this.#figures = figures;
  }

  /**
   * Opens one.
   * @throws {BehaviourError} `METRICS_UNAVAILABLE`
   * @throws {ConfigError} {MetricsError} as `serve` of `@lloom/metrics`
   */
  async open(config?: EndpointConfig): Promise<MetricsEndpoint> {
    if (this.#figures === undefined) throw unavailable('enableMetrics is false');
    if (this.#isClosed) throw unavailable('the node is stopped');
    const endpoint = await this.#figures.serve(config);
    if (this.#isClosed) {
      await endpoint.close();
      throw unavailable('the node is stopped');
    }
    const own: MetricsEndpoint = {
      url: endpoint.url,
      token: endpoint.token,
      close: async () => {
        this.#open.delete(own);
        await endpoint.close();
      },
    };
    this.#open.add(own);
    return own;
  }

  /** Closes all, and opens no more. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(Array.from(this.#open, (endpoint) => endpoint.close()));
  }
}

const unavailable = (reason: string): BehaviourError => new BehaviourError('METRICS_UNAVAILABLE', { reason });
