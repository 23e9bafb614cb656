import { ageMs, type AnswerPlan, type Client } from './stack.ts';

/** What a client does in one round. */
export interface Load {
  /** How many requests or answers are under way at any time. */
  readonly inFlight: number;
  /** When no more are begun, in ms from the start. Each place in flight has at least one. */
  readonly ms: number;
  /** Unary requests of so many bytes, or streamed answers. */
  readonly what: { readonly bodyBytes: number } | AnswerPlan;
}

/** What came of one round, from its start until everything under way had ended. */
export interface Done {
  /** Requests, or tokens. */
  readonly count: number;
  readonly elapsedMs: number;
  /** How long one took: a request from its call, a paced token from its making. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The value that such a share of them does not exceed. */
export const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** Keeps so many requests under way, and counts. */
export async function runLoad(client: Client, { inFlight, ms, what }: Load): Promise<Done> {
  const times: number[] = [];
  let count = 0;
  const act = 'bodyBytes' in what ? unary : stream;
  const body = new Uint8Array('bodyBytes' in what ? what.bodyBytes : 0).fill(0x62);

  async function unary(): Promise<void> {
    const start = performance.now();
    const { length } = await client.unary!(body);
    if (length === 0) throw new Error('An answer is empty');
    times.push(performance.now() - start);
    count += 1;
  }

  async function stream(): Promise<void> {
    const plan = what as AnswerPlan;
    let tokens = 0;
    await client.stream!(plan, (text) => {
      tokens += 1;
      if (plan.everyMs > 0) times.push(ageMs(text));
    });
    if (tokens !== plan.tokens) throw new Error(`${plan.tokens} tokens were asked for, ${tokens} came`);
    count += tokens;
  }

  const start = performance.now();
  const place = async (_: unknown, index: number): Promise<void> => {
    // Answers that were begun at the same moment would all have their tokens at the same moments.
    const everyMs = 'everyMs' in what ? what.everyMs : 0;
    if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, (index * everyMs) / inFlight));
    do await act();
    while (performance.now() - start < ms);
  };
  await Promise.all(Array.from({ length: inFlight }, place));
  const elapsedMs = performance.now() - start;
  const sorted = Float64Array.from(times).toSorted();
  return { count, elapsedMs, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
}
