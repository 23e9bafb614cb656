import { median } from './report.ts';

/** Measures in turn, the order reversed every other round, and gives the median of each. */
export async function mediansOf(
  rounds: number,
  acts: readonly ((round: number) => Promise<number>)[],
): Promise<number[]> {
  const figures: number[][] = acts.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const turns = [...acts.entries()];
    for (const [i, act] of round % 2 === 0 ? turns : turns.toReversed()) figures[i]!.push(await act(round));
  }
  return figures.map(median);
}
