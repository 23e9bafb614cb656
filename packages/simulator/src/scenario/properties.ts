import type { Measurement, MeasureName } from '../measures.ts';
import type { PropertyResult } from '../report/types.ts';
import type { Simulation } from '../types.ts';
import { show } from './problems.ts';
import type { ScenarioProperty } from './types.ts';

/** What measures by these names count may be nothing: nobody is down, nobody has sent. */
const mayBeNothing: readonly MeasureName[] = ['staleOffers', 'bytesPerNodeSecond'];

/** One property of a scenario while that runs. */
export class PropertyWatch {
  readonly #property: ScenarioProperty;
  readonly #simulation: Pick<Simulation, 'measure'>;
  #decided: PropertyResult | undefined;
  /** What was measured last, among what was enough to measure. */
  #last: Measurement | undefined;

  constructor(property: ScenarioProperty, simulation: Pick<Simulation, 'measure'>) {
    this.#property = property;
    this.#simulation = simulation;
  }

  /** Asks after a sample. */
  ask(atMs: number): void {
    const { when, fromMs = 0, withinMs = Infinity } = this.#property;
    if (when === 'finally' || this.#decided !== undefined || atMs < fromMs) return;
    if (when === 'eventually' && atMs > withinMs) {
      this.#decide(false, atMs);
      return;
    }
    const holds = this.#holds();
    if (when === 'always' && holds === false) this.#decide(false, atMs);
    if (when === 'eventually' && holds === true) this.#decide(true, atMs);
  }

  /** What became of it, at the end; `isWhole` says whether the run has come as far as its scenario wants. */
  end(atMs: number, isWhole: boolean): PropertyResult {
    if (this.#decided !== undefined) return this.#decided;
    const { when, withinMs = Infinity } = this.#property;
    const isHolding =
      when === 'finally' ? this.#holds() === true : when === 'always' && this.#last !== undefined;
    const isDecided =
      isWhole || (when === 'always' && isHolding) || (when === 'eventually' && atMs >= withinMs);
    return this.#decide(isDecided && isHolding, atMs, isDecided);
  }

  /** `undefined`: there was not enough to measure. */
  #holds(): boolean | undefined {
    const { measure, of, atLeast = -Infinity, atMost = Infinity } = this.#property;
    const { minCount = mayBeNothing.includes(measure) ? 0 : 1 } = this.#property;
    const measurement = this.#simulation.measure(measure, of);
    if (measurement.count < minCount) return undefined;
    this.#last = measurement;
    return measurement.value >= atLeast && measurement.value <= atMost;
  }

  #decide(holds: boolean, atMs: number, isDecided = true): PropertyResult {
    const { what, when } = this.#property;
    this.#decided = { what, when, holds, isDecided, atMs, detail: this.#detail(atMs) };
    return this.#decided;
  }

  #detail(atMs: number): string {
    const { when, measure, of, atLeast, atMost, fromMs = 0, withinMs, minCount = 1 } = this.#property;
    const bounds = [
      ...(atLeast === undefined ? [] : [`at least ${show(atLeast)}`]),
      ...(atMost === undefined ? [] : [`at most ${show(atMost)}`]),
    ].join(' and ');
    const percentile =
      measure === 'latencyMs' || measure === 'firstTokenMs' ? ` p${of?.percentile ?? 50}` : '';
    const until = when === 'eventually' ? ` by ${show(withinMs ?? atMs)} ms` : '';
    const wanted = `want ${bounds}${until}`;
    if (this.#last !== undefined) {
      const { value, count } = this.#last;
      return `${measure}${percentile} is ${show(rounded(value))}, of ${show(count)}; ${wanted}`;
    }
    if (when !== 'finally' && atMs < fromMs) return `the run ended before ${show(fromMs)} ms; ${wanted}`;
    return `${measure}${percentile} had less than ${show(minCount)} to measure; ${wanted}`;
  }
}

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
