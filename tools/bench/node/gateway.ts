import { median, row, type Row } from '../report.ts';
import { cpuUsOf } from './gateway/cpu.ts';
import type { Load } from './gateway/load.ts';
import { withWays, type Way, type Ways } from './gateway/network.ts';

/** What is asked for, whichever way. */
type Plan = Omit<Load, 'target'>;

/** One question at a time, of which the first token is waited for. */
const single: Plan = { inFlight: 1, ms: 800, tokens: 16, isStreamed: true };
/** Many short answers, each as a whole. */
const short: Plan = { inFlight: 16, ms: 1_500, tokens: 16, isStreamed: false };
/** Some long answers, token by token. */
const long: Plan = { inFlight: 8, ms: 1_500, tokens: 256, isStreamed: true };
/** What runs for the first time is slower than it will be ever after. */
const warmUpMs = 2_000;
const rounds = 5;

/** Figures of one way: medians of its rounds. */
interface Figures {
  readonly perSecond: number;
  readonly firstTokenMs: number;
  /** Of one answer: who asks, and all between it and the backend. */
  readonly cpuUs: readonly [asker: number, between: number];
}

async function measureOnce(ways: Ways, { target, pids }: Way, plan: Plan): Promise<Figures> {
  const used = (): [number, number] => [cpuUsOf([ways.askerPid]), cpuUsOf(pids)];
  const before = used();
  const { answers, elapsedMs, firstTokenMs } = await ways.run({ target, ...plan });
  const after = used();
  const each = (end: 0 | 1): number => (after[end] - before[end]) / answers;
  return { perSecond: (answers * 1_000) / elapsedMs, firstTokenMs, cpuUs: [each(0), each(1)] };
}

/** Both ways in turn, the order reversed every other round. */
async function measure(
  ways: Ways,
  plan: Plan,
  theirs: Way,
): Promise<{ readonly ours: Figures; readonly theirs: Figures }> {
  const turns = [
    { way: ways.gateway, measured: [] as Figures[] },
    { way: theirs, measured: [] as Figures[] },
  ];
  for (let round = 0; round < rounds; round++) {
    for (const { way, measured } of round % 2 === 0 ? turns : turns.toReversed())
      measured.push(await measureOnce(ways, way, plan));
  }
  const [our, their] = turns.map(({ measured }) => mediansOf(measured));
  return { ours: our!, theirs: their! };
}

function mediansOf(measured: readonly Figures[]): Figures {
  const of = (figure: (figures: Figures) => number): number => median(measured.map(figure));
  return {
    perSecond: of(({ perSecond }) => perSecond),
    firstTokenMs: of(({ firstTokenMs }) => firstTokenMs),
    cpuUs: [of(({ cpuUs }) => cpuUs[0]), of(({ cpuUs }) => cpuUs[1])],
  };
}

async function warmUp({ gateway, proxy, run }: Ways): Promise<void> {
  for (const plan of [short, long]) {
    await run({ target: gateway.target, ...plan, ms: warmUpMs });
    await run({ target: proxy.target, ...plan });
  }
}

async function firstTokenRows(ways: Ways): Promise<Row[]> {
  const { ours, theirs } = await measure(ways, single, ways.direct);
  const metric = 'gateway.first-token';
  const [value, baseline] = [ours.firstTokenMs, theirs.firstTokenMs];
  const measured = { baseline, unit: 'ms', against: 'the backend itself' };
  return [
    row(`${metric}.vs-backend`, { ...measured, value }),
    row(`${metric}.extra`, { ...measured, value: value - baseline }),
  ];
}

/** How many a second, and the CPU time of each. */
async function rateRow(ways: Ways, metric: string, plan: Plan): Promise<Row> {
  const { ours, theirs } = await measure(ways, plan, ways.proxy);
  const each = plan.isStreamed ? plan.tokens : 1;
  const cpuOf = ({ cpuUs: [asker, between] }: Figures) => [asker / each, between / each] as const;
  const cpuUs = { value: cpuOf(ours), baseline: cpuOf(theirs) };
  return row(metric, {
    value: ours.perSecond * each,
    baseline: theirs.perSecond * each,
    unit: '1/s',
    against: 'a plain reverse proxy',
    ...(Number.isFinite(cpuUs.value[0]) && { cpuUs }),
  });
}

/**
 * What the way through the network costs an application: its gateway, an executor and a backend that computes nothing,
 * against that backend alone and behind a proxy. Every process is one of its own, on 127.0.0.1.
 */
export function gatewayRows(): Promise<Row[]> {
  return withWays(async (ways) => {
    await warmUp(ways);
    return [
      ...(await firstTokenRows(ways)),
      await rateRow(ways, 'gateway.rate.vs-proxy', short),
      await rateRow(ways, 'gateway.tokens.vs-proxy', long),
    ];
  });
}
