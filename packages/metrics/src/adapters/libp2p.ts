import {
  serviceCapabilities,
  type CalculateMetric,
  type Counter,
  type CounterGroup,
  type Histogram,
  type HistogramGroup,
  type HistogramOptions,
  type Metric,
  type MetricGroup,
  type MetricOptions,
  type Metrics,
  type MultiaddrConnection,
  type PeerId,
  type Startable,
  type StopTimer,
  type Stream,
  type Summary,
  type SummaryGroup,
  type SummaryOptions,
} from '@libp2p/interface';
import type { NodeFigures } from '../internal/nodeFigures.ts';
import { countBytes } from './counting.ts';
import {
  foreignHead,
  ForeignFigures,
  ForeignSpreads,
  ForeignSummaries,
  type Calculate,
  type ForeignFamily,
  type Take,
} from './libp2pFamilies.ts';

/** Those of prom-client, which libp2p's services are used to. */
const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type Calculated<O, T> = O & { readonly calculate?: CalculateMetric<T> };
type Values = Readonly<Record<string, number>>;
type Increments = Readonly<Record<string, unknown>>;

/** Passes on a value for each key. */
function takeEach(take: Take, values: Values): void {
  for (const [key, value] of Object.entries(values)) take(key, value);
}

/** What is no number counts one. */
function addEach(take: Take, values: Increments, sign: 1 | -1 = 1): void {
  for (const [key, value] of Object.entries(values))
    take(key, sign * (typeof value === 'number' ? value : 1));
}

/**
 * What libp2p and its services measure, and bytes by connection and protocol. Differs from `@libp2p/prometheus-metrics` in that it
 * shares nothing with other nodes of the process.
 */
class Libp2pFigures implements Metrics, Startable {
  readonly [serviceCapabilities] = ['@libp2p/metrics'];
  readonly [Symbol.toStringTag] = '@lloom/metrics';
  readonly #figures: NodeFigures;
  readonly #peerId: PeerId;
  #isStarted = false;

  constructor(figures: NodeFigures, peerId: PeerId) {
    this.#figures = figures;
    this.#peerId = peerId;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#figures.onStart(this.#peerId.toString());
  }

  stop(): void {
    if (!this.#isStarted) return;
    this.#isStarted = false;
    this.#figures.onStop();
  }

  trackMultiaddrConnection(connection: MultiaddrConnection): void {
    // It travels in a stream of the connection to the relay, which is counted.
    if (connection.remoteAddr.toString().includes('/p2p-circuit')) return;
    countBytes(connection, this.#figures.traffic.network);
  }

  trackProtocolStream(stream: Stream): void {
    const { direction, protocol, status } = stream;
    const flow = this.#figures.traffic.protocol(protocol);
    flow[direction]++;
    const isOpen = status === 'open' || status === 'closing';
    if (isOpen) flow.open++;
    countBytes(stream, flow, isOpen ? () => void flow.open-- : undefined);
  }

  registerMetric(name: string, options: Calculated<MetricOptions, number> = {}): Metric {
    return this.#gauge(this.#openSingle('gauge', { name, options }));
  }

  registerMetricGroup(
    name: string,
    options: Calculated<MetricOptions, Record<string, number>> = {},
  ): MetricGroup {
    const family = this.#openFigures('gauge', { name, options, isGroup: true });
    return {
      update: (values: Values) => takeEach(family.set, values),
      increment: (values: Increments) => addEach(family.add, values),
      decrement: (values: Increments) => addEach(family.add, values, -1),
      reset: () => family.reset(),
      timer: (key) => this.#timer((seconds) => family.set(key, seconds)),
    };
  }

  registerCounter(name: string, options: Calculated<MetricOptions, number> = {}): Counter {
    const family = this.#openSingle('counter', { name, options });
    return { increment: (by = 1) => family.add('', by), reset: () => family.reset() };
  }

  registerCounterGroup(
    name: string,
    options: Calculated<MetricOptions, Record<string, number>> = {},
  ): CounterGroup {
    const family = this.#openFigures('counter', { name, options, isGroup: true });
    return { increment: (values: Increments) => addEach(family.add, values), reset: () => family.reset() };
  }

  registerHistogram(name: string, options: Calculated<HistogramOptions, number> = {}): Histogram {
    return this.#single(this.#openSpreads({ name, options }));
  }

  registerHistogramGroup(
    name: string,
    options: Calculated<HistogramOptions, Record<string, number>> = {},
  ): HistogramGroup {
    return this.#group(this.#openSpreads({ name, options, isGroup: true }));
  }

  registerSummary(name: string, options: Calculated<SummaryOptions, number> = {}): Summary {
    return this.#single(this.#openSummaries({ name, options }));
  }

  registerSummaryGroup(
    name: string,
    options: Calculated<SummaryOptions, Record<string, number>> = {},
  ): SummaryGroup {
    return this.#group(this.#openSummaries({ name, options, isGroup: true }));
  }

  /** Requests are followed by the port `tracer`, not call by call within libp2p. */
  traceFunction<F>(_name: string, traced: F): F {
    return traced;
  }

  createTrace(): undefined {
    return undefined;
  }

  #openFigures(
    type: 'counter' | 'gauge',
    { name, options, isGroup = false }: Opening<MetricOptions>,
  ): ForeignFigures {
    return this.#open(new ForeignFigures(type, foreignHead(name, options, isGroup), this.#shared()), options);
  }

  /** One that is there from the start, unless it is calculated. */
  #openSingle(type: 'counter' | 'gauge', opening: Opening<MetricOptions>): ForeignFigures {
    const family = this.#openFigures(type, opening);
    if (opening.options.calculate === undefined) family.add('', 0);
    return family;
  }

  #openSpreads({ name, options, isGroup = false }: Opening<HistogramOptions>): ForeignSpreads {
    const { buckets = defaultBuckets } = options;
    return this.#open(
      new ForeignSpreads(foreignHead(name, options, isGroup), buckets, this.#shared()),
      options,
    );
  }

  #openSummaries({ name, options, isGroup = false }: Opening<SummaryOptions>): ForeignSummaries {
    return this.#open(
      new ForeignSummaries(foreignHead(name, options, isGroup), options, this.#shared()),
      options,
    );
  }

  #open<F extends ForeignFamily>(given: F, { calculate }: { readonly calculate?: Calculate }): F {
    const family = this.#figures.store.keep(given);
    if (calculate !== undefined) family.calculations.add(calculate);
    return family;
  }

  #shared() {
    const { clock, store } = this.#figures;
    return { clock, limit: store.limit };
  }

  #gauge({ add, set }: ForeignFigures): Metric {
    return {
      update: (value) => set('', value),
      increment: (by = 1) => add('', by),
      decrement: (by = 1) => add('', -by),
      reset: () => set('', 0),
      timer: () => this.#timer((seconds) => set('', seconds)),
    };
  }

  #single(family: ForeignFamily): Histogram & Summary {
    return {
      observe: (value) => family.take('', value),
      reset: () => family.reset(),
      timer: () => this.#timer((seconds) => family.take('', seconds)),
    };
  }

  #group(family: ForeignFamily): HistogramGroup & SummaryGroup {
    return {
      observe: (values: Values) => takeEach(family.take, values),
      reset: () => family.reset(),
      timer: (key) => this.#timer((seconds) => family.take(key, seconds)),
    };
  }

  #timer(take: (seconds: number) => void): StopTimer {
    const { clock } = this.#figures;
    const startedAt = clock.elapsed();
    return () => take((clock.elapsed() - startedAt) / 1_000);
  }
}

/** What somebody registers. */
interface Opening<O> {
  readonly name: string;
  readonly options: O & { readonly calculate?: Calculate };
  readonly isGroup?: boolean;
}

/** What libp2p takes as `metrics`. */
export const libp2pMetrics =
  (figures: NodeFigures) =>
  ({ peerId }: { readonly peerId: PeerId }): Metrics =>
    new Libp2pFigures(figures, peerId);
