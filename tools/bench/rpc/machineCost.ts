import { systemClock } from '@lloom/core';
import { lifecycles, requestMachine, type RequestEvent } from '@lloom/rpc/machines';
import { median, row, type Row } from '../report.ts';

const rounds = 21;
const batches = 200;
/** Requests under way at the same time, each with its timers. */
const inFlight = 64;
const goalUs = 1;

const input = {
  requestId: 'bench',
  peerId: 'peer',
  dialTimeoutMs: 30_000,
  firstByteTimeoutMs: 60_000,
  timeoutMs: 120_000,
};
const steps: readonly RequestEvent[] = [
  { type: 'session.opened' },
  { type: 'request.sent' },
  { type: 'answer.ended' },
  { type: 'answer.verified' },
];

/** What the states and the timers of a request cost beside its work, in microseconds. */
export function machineRows(): Row[] {
  const requests = lifecycles(requestMachine, { clock: systemClock });
  let succeeded = 0;
  const owner = { id: 'bench', onEnd: (state: string) => void (succeeded += state === 'succeeded' ? 1 : 0) };
  const round = (): number => {
    const start = performance.now();
    for (let batch = 0; batch < batches; batch++) {
      const runs = Array.from({ length: inFlight }, () => requests.start(input, owner));
      for (const step of steps) for (const run of runs) run.send(step);
    }
    return ((performance.now() - start) * 1_000) / (batches * inFlight);
  };
  round();
  const figures = Array.from({ length: rounds }, round);
  if (succeeded !== (rounds + 1) * batches * inFlight) throw new Error('Not every request has succeeded');
  const measured = { value: median(figures), baseline: goalUs, unit: 'us', against: 'goal' };
  return [row('rpc.machine-cost.vs-goal', measured, 1)];
}
