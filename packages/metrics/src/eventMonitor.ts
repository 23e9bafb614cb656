/** How many types are told apart. */
const maxTypes = 256;
/** How much of a type is kept, in characters. */
const maxTypeLength = 256;
/** What all beyond are counted as, and what has no type that is a text. */
const other = 'other';

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };
const escaped = (text: string): string =>
  text.replaceAll(/[\\"\n]/g, (character) => escapes[character] ?? '');

/**
 * Counts events by their type. Works without a node: whatever has a `type` can be counted. Tells 256 types apart, of which it keeps
 * 256 characters; what comes beyond is counted as `other`, and so is what has no type that is a text.
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
    const given = typeOf(event);
    const type = this.#counts.has(given) || this.#counts.size < maxTypes ? given : other;
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

/** What strangers gave may be anything. */
function typeOf(event: unknown): string {
  try {
    const { type } = event as { readonly type: unknown };
    return typeof type === 'string' ? type.slice(0, maxTypeLength).toWellFormed() : other;
  } catch {
    return other;
  }
}
