import { AsyncLocalStorage } from 'node:async_hooks';
import type {
  GaugeSample,
  Meter,
  MeterLabels,
  MetricFamily,
  Span,
  SpanAttributes,
  SpanConfig,
  Tracer,
} from '@lloom/core';

/** A meter that keeps all values. */
export class TestMeter implements Meter {
  /** By name and the values of the labels. */
  readonly values = new Map<string, number[]>();
  readonly #gauges = new Map<string, () => number | readonly GaugeSample[]>();
  /** How many instruments were asked for. */
  made = 0;

  counter = (family: MetricFamily, labels: MeterLabels = {}) => this.#instrument(family, labels, 1);
  histogram = (family: MetricFamily, labels: MeterLabels = {}) => this.#instrument(family, labels);

  gauge(family: MetricFamily, read: () => number | readonly GaugeSample[]): void {
    this.#gauges.set(family.name, read);
  }

  /** What a counter has come to. */
  sum(key: string): number {
    return (this.values.get(key) ?? []).reduce((sum, value) => sum + value, 0);
  }

  /** What all counters of a family have come to, by their labels. */
  sums(name: string): Record<string, number> {
    const keys = [...this.values.keys()].filter((key) => key.startsWith(`${name} `));
    return Object.fromEntries(keys.toSorted().map((key) => [key.slice(name.length + 1), this.sum(key)]));
  }

  /** What gauges show now. */
  get gauges(): Record<string, unknown> {
    return Object.fromEntries([...this.#gauges].map(([name, read]) => [name, read()]));
  }

  #instrument({ name }: MetricFamily, labels: MeterLabels, standard = NaN): (value?: number) => void {
    this.made++;
    const key = [name, ...Object.values(labels)].join(' ');
    return (value = standard) => void this.values.set(key, [...(this.values.get(key) ?? []), value]);
  }
}

/** One piece of a trace, and everything that was said of it. */
export class TestSpan implements Span {
  readonly name: string;
  readonly kind: string;
  readonly parent: string | undefined;
  readonly traceparent: string;
  readonly events: string[] = [];
  attributes: SpanAttributes;
  /** How it ended, each time: `well`, or the code of the error. */
  readonly ends: string[] = [];
  /** What was said of it when it had ended. */
  readonly late: string[] = [];
  readonly #run: <T>(act: () => T) => T;

  constructor(
    name: string,
    config: SpanConfig,
    { id, run }: { id: number; run: <T>(span: TestSpan, act: () => T) => T },
  ) {
    const hex = id.toString(16);
    const trace = config.parent?.split('-')[1] ?? hex.padStart(32, '0');
    this.name = name;
    this.kind = config.kind;
    this.parent = config.parent;
    this.traceparent = `00-${trace}-${hex.padStart(16, '0')}-01`;
    this.attributes = config.attributes ?? {};
    this.#run = (act) => run(this, act);
  }

  setAttributes(attributes: SpanAttributes): void {
    this.#note('attributes');
    this.attributes = { ...this.attributes, ...attributes };
  }

  addEvent(name: string): void {
    this.#note(name);
    this.events.push(name);
  }

  run<T>(act: () => T): T {
    return this.#run(act);
  }

  end(error?: { readonly code: string }): void {
    this.ends.push(error?.code ?? 'well');
  }

  #note(what: string): void {
    if (this.ends.length > 0) this.late.push(what);
  }
}

/** A tracer that keeps all spans, of as many nodes as share it. */
export class TestTracer implements Tracer {
  readonly spans: TestSpan[] = [];
  /** All names that it was asked for. */
  readonly asked: string[] = [];
  readonly unsampled = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-00`;
  readonly #active = new AsyncLocalStorage<TestSpan>();
  readonly #isSampled: boolean;

  constructor({ isSampled = true } = {}) {
    this.#isSampled = isSampled;
  }

  /** The span within which this runs. */
  get active(): TestSpan | undefined {
    return this.#active.getStore();
  }

  startSpan(name: string, config: SpanConfig): TestSpan | undefined {
    this.asked.push(name);
    if (!this.#isSampled) return undefined;
    const run = <T>(span: TestSpan, act: () => T): T => this.#active.run(span, act);
    const span = new TestSpan(name, config, { id: this.spans.length + 1, run });
    this.spans.push(span);
    return span;
  }

  apart<T>(act: () => T): T {
    return this.#active.exit(act);
  }

  /** Those of one name. */
  named(name: string): TestSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** Each with its parent, as `name < name of the parent: how it ended`. */
  get tree(): string[] {
    const nameOf = (traceparent: string | undefined): string =>
      this.spans.find((span) => span.traceparent === traceparent)?.name ?? 'nothing here';
    return this.spans.map(({ name, parent, ends }) => `${name} < ${nameOf(parent)}: ${ends.join(' and ')}`);
  }

  /** Those that have not ended exactly once, or were spoken of later. */
  get wrong(): TestSpan[] {
    return this.spans.filter(({ ends, late }) => ends.length !== 1 || late.length > 0);
  }
}
