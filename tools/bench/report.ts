/** One measured figure beside its peer's. */
export interface Row {
  /** A stable dotted name. */
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  /** What was measured in the same run. */
  readonly against: string;
  readonly baseline: number;
  /** More than 1 is better for us. */
  readonly ratio: number;
  /** The least ratio that is wanted; `null` for a figure that only informs. */
  readonly goal: number | null;
  readonly met: boolean | null;
  /** CPU time of one request in microseconds, at the client and at the server. */
  readonly cpuUs?: { readonly value: CpuUs; readonly baseline: CpuUs };
}

/** CPU time at the client and at the server. */
type CpuUs = readonly [client: number, server: number];

/** A row of two rates, or of two figures in a unit of which less is better. */
export function row(
  metric: string,
  measured: {
    readonly value: number;
    readonly baseline: number;
    readonly unit: string;
    readonly against: string;
    readonly cpuUs?: Row['cpuUs'];
    /** @default that of value and baseline */
    readonly ratio?: number;
  },
  goal: number | null = null,
): Row {
  const { value, baseline, unit, against, cpuUs } = measured;
  const lessIsBetter = ['us', 'ms', 's', 'CPU s', 'bodies', 'KiB', 'MiB', 'MB'].includes(unit);
  const { ratio = lessIsBetter ? baseline / value : value / baseline } = measured;
  const round = (n: number): number => Number(n.toPrecision(4));
  const met = goal === null ? null : ratio >= goal;
  return {
    metric,
    value: round(value),
    unit,
    against,
    baseline: round(baseline),
    ratio: round(ratio),
    goal,
    met,
    ...(cpuUs && { cpuUs }),
  };
}

/** The middle of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const shown = (us: CpuUs): string => us.map((each) => Number(each.toPrecision(3))).join(' + ');

/** Prints rows as people read them. */
export function printTable(rows: readonly Row[]): void {
  const cells = rows.map((r) => [
    r.metric,
    `${r.value} ${r.unit}`,
    `${r.against}: ${r.baseline}`,
    `x${r.ratio}`,
    r.goal === null ? '' : `goal ${r.goal} ${r.met ? 'met' : 'MISSED'}`,
    r.cpuUs === undefined ? '' : `cpu us ${shown(r.cpuUs.value)}, peer ${shown(r.cpuUs.baseline)}`,
  ]);
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...cells.map((line) => line[column]!.length)));
  for (const line of cells) {
    process.stdout.write(
      `${line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}
