/** How many types are told apart. */
const maxTypes = 256;
/** What all beyond are counted as. */
const other = 'other';

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };
const escaped = (text: string): string =>
  text.replaceAll(/[\\"\n]/g, (character) => escapes[character] ?? '');

/**
 * Counts events by their type. Works without a node: whatever has a `type` can be counted. Tells 256 types apart; what comes beyond
 * is counted as `other`.
 *
 * @example
 * ```ts
 * const monitor = new EventMonitor<{ readonly type: 'opened' | 'closed' }>();
 * monitor.onEvent({ type: 'opened' });
 * monitor.statistics().get('opened'); // 1
 * await monitor.exportPrometheusMetrics(); // … lloom_events_total{type="opened"} 1
 * ```
 */
export class EventMonitor<E extends { readonly type: string }> {
  readonly #counts = new Map<E['type'], number>();

  /** Counts one event. May be handed over by itself, as a listener. Never throws. */
  readonly onEvent = (event: E): void => {
    const type = this.#counts.has(event.type) || this.#counts.size < maxTypes ? event.type : other;
    this.#counts.set(type, (this.#counts.get(type) ?? 0) + 1);
  };

  /** How many events of each type there were. A copy. */
  statistics(): Map<E['type'], number> {
    return new Map(this.#counts);
  }

  /** The same in the text format of Prometheus, as the family `lloom_events_total`. */
  exportPrometheusMetrics(): Promise<string> {
    const samples = [...this.#counts].map(
      ([type, count]) => `lloom_events_total{type="${escaped(type)}"} ${count}\n`,
    );
    const head = '# HELP lloom_events_total Events by their type.\n# TYPE lloom_events_total counter\n';
    return Promise.resolve(`${head}${samples.join('')}`);
  }
}
