import { median, type Row } from '../report.ts';
import type { Load } from './load.ts';
import { Pair, type Round } from './pair.ts';
import { Missing } from './stack.ts';
import type { StackName } from './stacks.ts';

/** The figures of one stack: medians of its rounds. */
export interface Figures extends Omit<Round, 'count' | 'elapsedMs'> {
  readonly perSecond: number;
}

/** Stacks that run beside each other. One that cannot run here is left out, and said so. */
export class Field {
  readonly #pairs: readonly Pair[];

  private constructor(pairs: readonly Pair[]) {
    this.#pairs = pairs;
  }

  /** Starts the stacks, lets `act` measure them, and ends them. There are no rows without ours, the first. */
  static async with(
    names: readonly [ours: StackName, ...StackName[]],
    act: (field: Field) => Promise<Row[]>,
  ): Promise<Row[]> {
    const pairs: Pair[] = [];
    try {
      for (const name of names) {
        try {
          pairs.push(await Pair.start(name));
        } catch (error) {
          if (!(error instanceof Missing)) throw error;
          process.stderr.write(`The rows of ${name} are left out: ${error.message}\n`);
          if (name === names[0]) return [];
        }
      }
      return await act(new Field(pairs));
    } finally {
      for (const pair of pairs) await pair.stop();
    }
  }

  /** Those that run, our own first. */
  get pairs(): readonly [ours: Pair, ...Pair[]] {
    return this.#pairs as [Pair, ...Pair[]];
  }

  /**
   * Measures the named stacks in turn, or all of them, the order reversed every other round, after one round that
   * does not count.
   */
  async measure(
    load: Load,
    { rounds, names }: { readonly rounds: number; readonly names?: readonly StackName[] },
  ): Promise<ReadonlyMap<StackName, Figures>> {
    const pairs = this.#pairs.filter(({ name }) => names === undefined || names.includes(name));
    const all = new Map<StackName, Round[]>(pairs.map(({ name }) => [name, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const pair of round % 2 === 0 ? pairs : pairs.toReversed()) {
        const measured = await pair.run(load);
        if (round > 0) all.get(pair.name)!.push(measured);
      }
    }
    return new Map([...all].map(([name, measured]) => [name, figuresOf(measured)]));
  }
}

function figuresOf(rounds: readonly Round[]): Figures {
  const of = (figure: (round: Round) => number): number => median(rounds.map((round) => figure(round)));
  return {
    perSecond: of(({ count, elapsedMs }) => (count * 1_000) / elapsedMs),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    clientUs: of(({ clientUs }) => clientUs),
    serverUs: of(({ serverUs }) => serverUs),
  };
}
