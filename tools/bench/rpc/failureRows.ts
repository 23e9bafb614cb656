import { median, row, type Row } from '../report.ts';
import { Field } from './compare.ts';
import { requestBytes, smallExecutor, type AnswerPlan, type FailoverRound } from './stack.ts';
import { Worker } from './workers.ts';

const rounds = 5;

/** How many requests the executor can answer a second. */
const capacityPerSecond = (smallExecutor.capacity * 1_000) / smallExecutor.workMs;

/** Requests at half of what an executor can do, and at twice as much, in turn. */
export function overloadRows(): Promise<Row[]> {
  return Field.with(['lloom-overload'], async ({ pairs: [pair] }) => {
    const offer = (share: number) =>
      pair.open({ perSecond: share * capacityPerSecond, ms: 2_000, bodyBytes: requestBytes });
    const goodputs: number[] = [];
    const [half, twice]: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round++) {
      const unloaded = await offer(0.5);
      const loaded = await offer(2);
      if (round === 0) continue;
      half.push(unloaded.p99Ms);
      twice.push(loaded.p99Ms);
      goodputs.push(loaded.answeredPerSecond / capacityPerSecond);
    }
    const metric = 'rpc.goodput.overload2x';
    const share = { value: median(goodputs), baseline: 1, unit: 'share', against: 'capacity' };
    const against = 'twice that of half load';
    const late = { value: median(twice), baseline: 2 * median(half), unit: 'ms', against };
    return [row(metric, share, 0.9), row(`${metric}.p99`, late, 1)];
  });
}

const plan: AnswerPlan = { tokens: 64, everyMs: 20 };
/** In the middle of the answer. */
const killAfter = 32;

/** An answer whose executor is killed, beside one that is left alone. Both are of the same executor, a new one each round. */
export async function failoverRows(): Promise<Row[]> {
  const stack = 'lloom-failover';
  const standby = await Worker.start(stack);
  let client: Worker | undefined;
  const [whole, added]: [number[], number[]] = [[], []];
  try {
    ({ worker: client } = await Worker.start(stack, standby.told as string));
    for (let round = 0; round <= rounds; round++) {
      const executor = await Worker.start(stack);
      const asked: FailoverRound = { executor: executor.told as string, plan };
      try {
        const wholeMs = await client.ask('failOver', asked);
        const brokenMs = await client.ask('failOver', { ...asked, killAfter });
        if (round === 0) continue;
        whole.push(wholeMs);
        added.push(brokenMs - wholeMs);
      } finally {
        await executor.worker.stop();
      }
    }
  } finally {
    await client?.stop();
    await standby.worker.stop();
  }
  const [value, baseline] = [median(added), median(whole)];
  const ratio = baseline / (baseline + value);
  const against = 'the same answer without a failure';
  return [row('rpc.failover.added-latency', { value, baseline, ratio, unit: 'ms', against })];
}
