import { systemClock } from '@lloom/core';
import {
  inboundMachine,
  lifecycles,
  requestMachine,
  type InboundEvent,
  type RequestEvent,
} from '@lloom/rpc/machines';
import { median, row, type Row } from '../report.ts';

const rounds = 21;
const batches = 200;
/** Requests under way at the same time, each with its timers. */
const inFlight = 64;
const goalUs = 1;

const ports = { clock: systemClock };
const outbound = {
  input: {
    requestId: 'bench',
    peerId: 'peer',
    dialTimeoutMs: 30_000,
    firstByteTimeoutMs: 60_000,
    timeoutMs: 120_000,
  },
  steps: [
    { type: 'session.opened' },
    { type: 'request.sent' },
    { type: 'answer.ended' },
    { type: 'answer.verified' },
  ] satisfies readonly RequestEvent[],
};
const inbound = {
  input: { requestId: 'bench', peerId: 'peer', readTimeoutMs: 30_000, handleTimeoutMs: 120_000 },
  steps: [
    { type: 'request.read', handleTimeoutMs: 120_000 },
    { type: 'request.verified' },
    { type: 'answer.began' },
    { type: 'answer.ended' },
  ] satisfies readonly InboundEvent[],
};

/** What states and timers of a whole request, at both of its ends, cost beside its work, in microseconds. */
export function machineRows(): Row[] {
  const requests = lifecycles(requestMachine, ports);
  const inbounds = lifecycles(inboundMachine, ports);
  let ended = 0;
  const ownerOf = (wanted: string) => ({
    id: 'bench',
    onEnd: (state: string) => void (ended += state === wanted ? 1 : 0),
  });
  const [asker, answerer] = [ownerOf('succeeded'), ownerOf('answered')];
  const round = (): number => {
    const start = performance.now();
    for (let batch = 0; batch < batches; batch++) {
      const asked = Array.from({ length: inFlight }, () => requests.start(outbound.input, asker));
      const answered = Array.from({ length: inFlight }, () => inbounds.start(inbound.input, answerer));
      for (const step of outbound.steps) for (const run of asked) run.send(step);
      for (const step of inbound.steps) for (const run of answered) run.send(step);
    }
    return ((performance.now() - start) * 1_000) / (batches * inFlight);
  };
  round();
  const figures = Array.from({ length: rounds }, round);
  if (ended !== 2 * (rounds + 1) * batches * inFlight) throw new Error('Not every request has succeeded');
  const measured = { value: median(figures), baseline: goalUs, unit: 'us', against: 'goal' };
  return [row('rpc.machine-cost.vs-goal', measured, 1)];
}
