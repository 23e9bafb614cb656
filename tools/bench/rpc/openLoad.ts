import { percentile } from './load.ts';
import { Refused, type Client } from './stack.ts';

/** Requests that come when they come, however many are under way. */
export interface OpenLoad {
  /** How many a second. */
  readonly perSecond: number;
  readonly ms: number;
  readonly bodyBytes: number;
}

/** What came of it. */
export interface OpenDone {
  /** Answers a second. */
  readonly answeredPerSecond: number;
  /** How long all but one in a hundred of the answered ones took, from when they were due. */
  readonly p99Ms: number;
}

/** What comes before does not count: the server fills up first. In ms. */
const settleMs = 250;

/** Sends requests at times that know nothing of one another, as those of many users do, and counts. */
export async function runOpenLoad(client: Client, { perSecond, ms, bodyBytes }: OpenLoad): Promise<OpenDone> {
  const body = new Uint8Array(bodyBytes).fill(0x62);
  const gapMs = (): number => (-Math.log(1 - Math.random()) * 1_000) / perSecond;
  const times: number[] = [];
  let failure: unknown;
  const start = performance.now();

  async function ask(dueMs: number): Promise<void> {
    try {
      await client.unary!(body);
      const nowMs = performance.now() - start;
      if (nowMs >= settleMs && nowMs < ms) times.push(nowMs - dueMs);
    } catch (error) {
      if (!(error instanceof Refused)) failure ??= error;
    }
  }

  const asked: Promise<void>[] = [];
  for (let dueMs = gapMs(); dueMs < ms; dueMs += gapMs()) {
    const waitMs = dueMs - (performance.now() - start);
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    asked.push(ask(dueMs));
  }
  await Promise.all(asked);
  if (failure !== undefined) throw failure as Error;
  const answeredPerSecond = (times.length * 1_000) / (ms - settleMs);
  return { answeredPerSecond, p99Ms: percentile(Float64Array.from(times).toSorted(), 0.99) };
}
