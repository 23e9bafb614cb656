import { RpcError } from '../errors.ts';
import { describe, expect, test, vi } from 'vitest';
import { TestTracer } from '../../test/onlooking.ts';
import type { RelayTraces } from '../ports.ts';
import type { RequestId } from '../types.ts';
import type { AnswerReceiver } from './exchange.ts';
import { followed } from './followedAnswer.ts';
import { relayTraceProtocol } from './protocolIds.ts';
import { RequestWatch } from './requestWatch.ts';

const requestId = '1' as RequestId;
const asked = { requestId, peerId: 'peer', method: 'ping', call: {} };
const ended = { ...asked, elapsedMs: 12.4, attempts: 1, relay: 'relay' };
const cancelled = new RpcError('CANCELLED', { requestId, peerId: 'peer', stage: 'awaiting' });
const head = { stream: false, metadata: {}, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };

function create({ tracer, isTraced = false }: { tracer?: TestTracer; isTraced?: boolean } = {}) {
  const carried = vi.fn<RelayTraces['carried']>();
  const trace = vi.fn<(text: string, fields: object) => void>();
  const watch = new RequestWatch({
    ...{ metrics: undefined, tracer, relayTraces: { carried } },
    log: { isTraced, trace },
  });
  return { watch, carried, trace };
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

  test('is told without a trace of the telling, at either end', () => {
    const tracer = new TestTracer();
    const { watch } = create({ tracer });
    expect(watch.asks({ ...asked, method: relayTraceProtocol })).toBeUndefined();
    expect(watch.serves(asked, { method: relayTraceProtocol, head })).toBeUndefined();
    expect(tracer.asked).toEqual([]);
  });
});

describe('the log', () => {
  test('has one line for each request of either side, when it is read', () => {
    const { watch, trace } = create({ isTraced: true });
    watch.failed({ ...ended, span: undefined }, cancelled);
    watch.served({ ...ended, span: undefined }, 'answered', undefined);
    const line = { requestId: '1', peerId: 'peer', method: 'ping', ms: 12 };
    expect(trace.mock.calls).toEqual([
      ['a request of this node ended %o', { ...line, outcome: 'CANCELLED', attempts: 1 }],
      ['a request of a peer ended %o', { ...line, outcome: 'answered' }],
    ]);
  });

  test('is given nothing when nobody reads it', () => {
    const { watch, trace } = create();
    watch.failed({ ...ended, span: undefined }, cancelled);
    watch.served({ ...ended, span: undefined }, 'answered', undefined);
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
