import type { BenchNode, Target } from './node.ts';

/** One dial and one hang-up after the other. */
export interface DialLoad {
  /** Dialled in turn. */
  readonly targets: readonly Target[];
  readonly ms: number;
}

/** How many dials a second, each with its hang-up. */
export async function dialRate(node: BenchNode, { targets, ms }: DialLoad): Promise<number> {
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < ms) {
    const hangUp = await node.dial(targets[count % targets.length]!);
    await hangUp();
    count += 1;
  }
  return (count * 1_000) / (performance.now() - start);
}
