import { Refusal, RpcError } from '../errors.ts';
import { describe, expect, test, vi } from 'vitest';
import { TestMeter, TestTracer } from '../../test/onlooking.ts';
import type { RelayTraces } from '../ports.ts';
import type { RequestId } from '../types.ts';
import type { AnswerReceiver, Leaving } from './exchange.ts';
import { followed } from './followedAnswer.ts';
import { relayTraceProtocol } from './protocolIds.ts';
import { encodeError, handlerFrame } from './failures.ts';
import { RequestWatch } from './requestWatch.ts';
import { RpcMetrics } from './rpcMetrics.ts';

const requestId = '1' as RequestId;
const asked = { requestId, peerId: 'peer', method: 'ping', call: {} };
const ended = { ...asked, elapsedMs: 12.4, attempts: 1, relay: 'relay' };
const served = {
  ...{ ...asked, elapsedMs: 12.4, isHurried: false, outboundTokens: 0, span: undefined },
  ...{ leaving: 'cancelled' as Leaving, refusal: undefined },
};
const cancelled = new RpcError('CANCELLED', { requestId, peerId: 'peer', stage: 'awaiting' });
const head = { stream: false, metadata: {}, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };

function create({
  tracer,
  meter,
  isTraced = false,
}: { tracer?: TestTracer; meter?: TestMeter; isTraced?: boolean } = {}) {
  const carried = vi.fn<RelayTraces['carried']>();
  const trace = vi.fn<(text: string, fields: object) => void>();
  const log = vi.fn<(text: string, error: unknown, fields?: object) => void>();
  const watch = new RequestWatch({
    ...{ metrics: meter && new RpcMetrics(meter), tracer, relayTraces: { carried } },
    log: { isTraced, trace, log },
  });
  return { watch, carried, trace, log };
}

describe('a relay', () => {
  test('is told of a sampled request that went through it, when that has ended', () => {
    const tracer = new TestTracer();
    const { watch, carried } = create({ tracer });
    const span = watch.asks(asked);
    carried.mockImplementation(() => expect(tracer.wrong).toEqual([]));
    watch.answered({ ...ended, span }, { type: 'pong' });
    const traceparent = span?.traceparent;
    expect(carried.mock.calls).toEqual([[{ relay: 'relay', peerId: 'peer', traceparent, elapsedMs: 12.4 }]]);
    expect(tracer.spans[0]?.attributes).toMatchObject({ 'lloom.relay': 'relay', 'lloom.attempts': 1 });
  });

  test('is told nothing of a direct one, and of one that is not sampled', () => {
    const { watch, carried } = create({ tracer: new TestTracer() });
    const span = watch.asks(asked);
    watch.failed({ ...ended, span, relay: undefined }, cancelled);
    watch.failed({ ...ended, span: undefined }, cancelled);
    expect(carried).not.toHaveBeenCalled();
  });

  test('that cannot be told breaks nothing', () => {
    const { watch, carried } = create({ tracer: new TestTracer() });
    carried.mockImplementation(() => {
      throw new Error('broken');
    });
    expect(() => watch.failed({ ...ended, span: watch.asks(asked) }, cancelled)).not.toThrow();
    expect(carried).toHaveBeenCalledOnce();
  });

  test('that cannot be told, as shows later, ends no process', async () => {
    const { watch, carried } = create({ tracer: new TestTracer() });
    carried.mockImplementation(() => Promise.reject(new Error('broken')) as never);
    watch.failed({ ...ended, span: watch.asks(asked) }, cancelled);
    await new Promise((resolve) => setImmediate(resolve));
    expect(carried).toHaveBeenCalledOnce();
  });

  test('is told without a trace of the telling, a figure or a line, at either end', () => {
    const [tracer, meter] = [new TestTracer(), new TestMeter()];
    const { watch, trace } = create({ tracer, meter, isTraced: true });
    const telling = { method: relayTraceProtocol };
    expect(watch.asks({ ...asked, ...telling })).toBeUndefined();
    watch.sent(relayTraceProtocol);
    watch.received(relayTraceProtocol);
    watch.answered({ ...ended, ...telling, span: undefined }, {});
    watch.failed({ ...ended, ...telling, span: undefined }, cancelled);
    watch.refused(relayTraceProtocol, cancelled);
    watch.retried(relayTraceProtocol, 'retry');
    expect(watch.serves(asked, { ...telling, head })).toBeUndefined();
    watch.served({ ...served, ...telling }, 'refused', undefined);
    watch.begun({ ...asked, ...telling, span: undefined });
    watch.read({ ...asked, ...telling, span: undefined });
    expect(tracer.asked).toEqual([]);
    expect(meter.values).toEqual(new Map());
    expect(trace).not.toHaveBeenCalled();
  });
});

test.each([
  { what: 'that took too long for this node', outcome: 'omitted', state: 'omitted' },
  { what: 'whose client waited shorter than that', outcome: 'expired', state: 'omitted', isHurried: true },
  { what: 'whose handler failed', outcome: 'failed', state: 'failed', error: new Error('broken') },
  { what: 'whose handler would not', outcome: 'refused', state: 'failed', error: new Refusal('BUSY', 'no') },
  {
    what: 'whose answer is lost',
    outcome: 'failed',
    state: 'failed',
    error: new Refusal('REQUEST_LOST', ''),
  },
  {
    what: 'whose handler says it failed',
    outcome: 'failed',
    state: 'failed',
    error: new Refusal('REMOTE', ''),
  },
] as const)('a request of a peer $what counts as $outcome', ({ outcome, state, ...how }) => {
  const meter = new TestMeter();
  const said = 'error' in how ? encodeError(handlerFrame(how.error)) : undefined;
  create({ meter }).watch.served({ ...served, isHurried: 'isHurried' in how }, state, said);
  expect(meter.sums('rpc_served_total')).toEqual({ [`ping ${outcome}`]: 1 });
});

describe('the log', () => {
  const names = { requestId: '1', peerId: 'peer', method: 'ping' };
  const busy = encodeError({ type: 'error', code: 'BUSY', message: 'this node stops' });

  test('has a line when a request of either side begins and one when it has ended, when they are read', () => {
    const { watch, trace } = create({ isTraced: true });
    watch.begun({ ...ended, span: undefined });
    watch.failed({ ...ended, span: undefined }, cancelled);
    watch.read(served);
    watch.served(served, 'answered', undefined);
    const why = { outcome: 'CANCELLED', code: 'CANCELLED', reason: 'while awaiting' };
    expect(trace.mock.calls).toEqual([
      ['a request of this node begins %o', names],
      ['a request of this node ended %o', { ...names, ms: 12, ...why, attempts: 1 }],
      ['a request of a peer begins %o', names],
      ['a request of a peer ended %o', { ...names, ms: 12, outcome: 'answered' }],
    ]);
  });

  test('joins the lines of two nodes by the key of a question, and by the trace of what is followed', () => {
    const { watch, trace } = create({ tracer: new TestTracer(), isTraced: true });
    const span = watch.serves(asked, { method: 'llmRequest', head });
    watch.read({ ...served, span, key: 'mine' });
    expect(trace).toHaveBeenLastCalledWith('a request of a peer begins %o', {
      ...{ ...names, key: 'mine', traceId: 'a'.repeat(32) },
    });
  });

  test.each([
    { state: 'stopped', said: busy, code: 'BUSY', reason: 'this node stops' },
    { state: 'abandoned', code: 'CANCELLED' },
    { state: 'abandoned', leaving: 'lost', code: 'CONNECTION_CLOSED' },
  ] as const)('and the trace say $code of a request that was $state', ({ state, code, ...more }) => {
    const tracer = new TestTracer();
    const { watch, trace } = create({ tracer, isTraced: true });
    const { said, reason, ...how } = { said: undefined, reason: undefined, ...more };
    watch.served({ ...served, ...how, span: watch.serves(asked, { method: 'ping', head }) }, state, said);
    expect(trace.mock.calls[0]?.[1]).toMatchObject({ outcome: state, code, ...(reason && { reason }) });
    expect(tracer.spans[0]?.ends).toEqual([code]);
  });

  test('tells of what was refused before it had an id', () => {
    const { watch, trace } = create({ isTraced: true });
    watch.refused('ping', new RpcError('STOPPED', {}));
    watch.turnedAway('peer', { type: 'error', code: 'BUSY', message: 'this node has no room now' });
    expect(trace.mock.calls).toEqual([
      [
        'a request of this node was refused %o',
        { method: 'ping', outcome: 'STOPPED', code: 'STOPPED', ms: 0 },
      ],
      [
        'a request of a peer was refused %o',
        {
          ...{ peerId: 'peer', method: 'unknown', outcome: 'refused', ms: 0 },
          ...{ code: 'BUSY', reason: 'this node has no room now' },
        },
      ],
    ]);
  });

  test('names the request that something went wrong with, and has no refusals among failures', () => {
    const { watch, log } = create();
    const error = new Error('broken');
    watch.couldNotBe('answered', error, { ...served, key: 'mine' });
    watch.couldNotBe('answered', new Refusal('BUSY', 'no'), served);
    expect(log.mock.calls).toEqual([['a request could not be answered', error, { ...names, key: 'mine' }]]);
  });

  test('is given nothing when nobody reads it', () => {
    const { watch, trace } = create();
    watch.failed({ ...ended, span: undefined }, cancelled);
    watch.served(served, 'answered', undefined);
    watch.begun({ ...ended, span: undefined });
    watch.read(served);
    watch.refused('ping', cancelled);
    watch.turnedAway('peer', { type: 'error', code: 'BUSY', message: '' });
    expect(trace).not.toHaveBeenCalled();
  });
});

test('without a tracer nothing is made for a request, nor stands between it and its answer', () => {
  const { watch } = create();
  expect(watch.asks(asked)).toBeUndefined();
  expect(watch.attempts(asked, undefined)).toBeUndefined();
  expect(watch.serves(asked, { method: 'ping', head })).toBeUndefined();
  const receiver = {} as AnswerReceiver;
  expect(followed(receiver, undefined)).toBe(receiver);
});
