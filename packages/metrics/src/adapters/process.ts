import { systemClock } from '@lloom/core';
import type { Metric, MetricObject, Registry } from 'prom-client';
import { promClient } from './promClient.ts';

interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

type Head = Pick<MetricObject, 'name' | 'help' | 'type' | 'aggregator'>;

/** What prom-client's families give when they are read. */
interface Reading extends Head {
  readonly values: readonly Value[];
}

/** Reading some of them sets them to 0: registries that are read at about the same time are to see the same. */
const sameForMs = 1_000;

/**
 * The figures of this process, collected once however many registries show them: prom-client watches garbage collection and event
 * loop for each registry that it collects for, without end.
 */
class ProcessFigures {
  readonly #registry = new (promClient().Registry)();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #readings: Promise<ReadonlyMap<string, Reading>> | undefined;

  constructor() {
    promClient().collectDefaultMetrics({ register: this.#registry });
  }

  get names(): string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  headOf(name: string): Head {
    return this.#registry.getSingleMetric(name) as unknown as Head;
  }

  async read(name: string): Promise<readonly Value[]> {
    const nowMs = systemClock.elapsed();
    if (this.#readings === undefined || nowMs - this.#readAtMs >= sameForMs) {
      this.#readAtMs = nowMs;
      this.#readings = this.#readAll();
    }
    return (await this.#readings).get(name)?.values ?? [];
  }

  async #readAll(): Promise<ReadonlyMap<string, Reading>> {
    try {
      const readings = (await this.#registry.getMetricsAsJSON()) as unknown as Reading[];
      return new Map(readings.map((reading) => [reading.name, reading]));
    } catch {
      // What cannot be read must not keep what is not of the process from being read.
      return new Map();
    }
  }
}

/** One family of the process in one registry. What prom-client needs of a metric. */
class ProcessFamily {
  readonly help: string;
  readonly type: Head['type'];
  readonly aggregator: Head['aggregator'];
  /** A registry of the OpenMetrics format takes the end `_total` off. */
  name: string;
  readonly #figures: ProcessFigures;
  readonly #key: string;

  constructor(figures: ProcessFigures, name: string) {
    const { aggregator, help, type } = figures.headOf(name);
    this.help = help;
    this.type = type;
    this.aggregator = aggregator;
    this.name = name;
    this.#figures = figures;
    this.#key = name;
  }

  async get(): Promise<Reading> {
    const { aggregator, help, name, type } = this;
    // Whoever reads may change what it is given.
    const values = (await this.#figures.read(this.#key)).map((value) => ({
      ...value,
      labels: { ...value.labels },
    }));
    return { name, help, type, aggregator, values };
  }

  /** Other registries show it as well. */
  reset(): void {}
}

let ofProcess: ProcessFigures | undefined;

/** Shows the figures of the process as well, except where the registry has one of that name. */
export function exposeProcess(registry: Registry): void {
  ofProcess ??= new ProcessFigures();
  for (const name of ofProcess.names) {
    if (registry.getSingleMetric(name) !== undefined) continue;
    registry.registerMetric(new ProcessFamily(ofProcess, name) as unknown as Metric);
  }
}
