import type { SpanConfig, Tracer } from '@lloom/core';
import type { RelayedCircuit } from '@lloom/nat';
import { Refusal, RpcError, type CallConfig, type CustomProtocol, type Rpc } from '@lloom/rpc';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { relayTraceProtocol, relayTracesOf } from './relayTraces.ts';

const [client, executor, relay, stranger] = ['12D3KooWC', '12D3KooWE', '12D3KooWR', '12D3KooWS'];
const unsampled = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-00`;
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const way = { relay, peerId: executor, traceparent, elapsedMs: 1_234.5 };

interface Call {
  readonly peerId: unknown;
  readonly protocol: CustomProtocol;
  readonly request: unknown;
  readonly call: CallConfig | undefined;
}

const tracerWith = (startSpan: Tracer['startSpan']): Tracer => ({
  ...{ unsampled, startSpan },
  apart: (act) => act(),
});

/** What a relay without the protocol answers. */
const unsupported = (of: string): RpcError =>
  new RpcError('UNSUPPORTED_PROTOCOL', {
    requestId: 'r-1',
    peerId: of,
    protocol: '/lloom/relay-trace/1.0.0',
  });

/** A node that asks, where every call waits for the test. */
function asking(isConnected = true) {
  const calls: Call[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<object>();
  const callProtocol = (...[peerId, protocol, request, call]: unknown[]): Promise<object> => {
    calls.push({ peerId, protocol, request, call } as Call);
    return promise;
  };
  const services = () => ({
    peers: { isConnected: () => isConnected },
    rpc: { callProtocol: callProtocol as Rpc['callProtocol'] },
  });
  let nowMs = 0;
  const traces = relayTracesOf(services, { elapsed: () => nowMs });
  const wait = (ms: number): void => void (nowMs += ms);
  return { traces, calls, resolve, reject, wait };
}

/** A relay that carries one connection, and what it adds to traces. */
function serving(open: readonly RelayedCircuit[] = [circuit], ended: readonly RelayedCircuit[] = []) {
  const spans: { name: string; config: SpanConfig; end: ReturnType<typeof vi.fn> }[] = [];
  const tracer = tracerWith((name, config) => {
    const end = vi.fn<() => void>();
    spans.push({ name, config, end });
    return { traceparent, end, setAttributes: () => {}, addEvent: () => {}, run: (act) => act() };
  });
  const of = (circuits: readonly RelayedCircuit[]) => (peer: unknown) =>
    circuits.filter(({ from, to }) => from === peer || to === peer);
  const nat = { relayedCircuits: of(open), endedCircuits: of(ended) };
  const protocol = relayTraceProtocol(() => ({ nat }), tracer, { now: () => nowMs });
  return {
    ask: (peerId: string, about: string, elapsedMs?: number) =>
      answered(protocol, { peerId, about, traceparent, elapsedMs }),
    spans,
  };
}

const answered = (
  protocol: CustomProtocol<{ readonly peerId: string; readonly elapsedMs: number }>,
  asked: {
    readonly peerId: string;
    readonly about: string;
    readonly traceparent: string | undefined;
    readonly elapsedMs?: number | undefined;
  },
): unknown => {
  const { signal } = new AbortController();
  const request = { peerId: asked.about, elapsedMs: asked.elapsedMs ?? 1_235 };
  return protocol.handleRequest?.(asked.peerId, request, { signal, traceparent: asked.traceparent });
};

const asked = { peerId: client, about: executor };
const nowMs = 90_000;
const circuit = { from: client, to: executor, openedAt: 7, bytes: 5_000, bytesLeft: 3_000 };

/** A relay that carries one connection. */
function serves(tracer: Tracer | undefined) {
  const nat = { relayedCircuits: () => [circuit], endedCircuits: () => [] };
  return relayTraceProtocol(() => ({ nat }), tracer, { now: () => nowMs });
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a traced request that went through a relay', () => {
  it('has the relay told of it, for two seconds at most', () => {
    const { traces, calls } = asking();
    traces.carried(way);
    expect(calls).toMatchObject([
      {
        peerId: relay,
        protocol: { protocolName: '/lloom/relay-trace/1.0.0' },
        request: { peerId: executor, elapsedMs: 1_234.5 },
        call: { traceparent, timeoutMs: 2_000 },
      },
    ]);
    expect(calls[0]?.protocol).not.toHaveProperty('handleRequest');
  });

  it('tells nobody when it was not sampled, or the relay is not connected any more', () => {
    const { traces, calls } = asking();
    traces.carried({ ...way, traceparent: traceparent.replace(/1$/, '0') });
    traces.carried({ ...way, traceparent: 'none' });
    const gone = asking(false);
    gone.traces.carried(way);
    expect([...calls, ...gone.calls]).toEqual([]);
  });

  it('is told of while sixteen others are not, and breaks nothing when that fails', async () => {
    const { traces, calls, reject } = asking();
    for (let count = 0; count < 20; count++) traces.carried(way);
    expect(calls).toHaveLength(16);
    reject(new Error('the relay does not take part'));
    await settled();
    for (let count = 0; count < 20; count++) traces.carried(way);
    expect(calls).toHaveLength(32);
    const services = (): never => {
      throw new Error('the node is not there yet');
    };
    const early = relayTracesOf(services, { elapsed: () => 0 });
    expect(() => early.carried(way)).not.toThrow();
    await settled();
  });

  it('is not told again for an hour to a relay that does not know what it means', async () => {
    const { traces, calls, reject, wait } = asking();
    traces.carried(way);
    reject(unsupported(relay));
    await settled();
    wait(3_599_999);
    traces.carried(way);
    expect(calls).toHaveLength(1);
    traces.carried({ ...way, relay: stranger });
    expect(calls.map(({ peerId }) => peerId)).toEqual([relay, stranger]);
    wait(1);
    traces.carried(way);
    expect(calls).toHaveLength(3);
  });

  it('remembers a thousand of such relays at most', async () => {
    const { traces, calls, reject } = asking();
    reject(unsupported(relay));
    for (let count = 0; count < 1_025; count++) {
      traces.carried({ ...way, relay: `relay ${count}` });
      await Promise.resolve().then(() => undefined);
      if (count % 16 === 15) await settled();
    }
    await settled();
    traces.carried({ ...way, relay: 'relay 1' });
    expect(calls).toHaveLength(1_025);
    traces.carried({ ...way, relay: 'relay 0' });
    expect(calls).toHaveLength(1_026);
  });

  it('is written in a few bytes, and read again', () => {
    const { traces, calls } = asking();
    traces.carried(way);
    const { request, response } = calls[0]!.protocol;
    const bytes = request.encode({ peerId: executor, elapsedMs: 1_234.5 });
    expect(bytes).toHaveLength(4 + executor.length);
    expect(request.decode(bytes)).toEqual({ peerId: executor, elapsedMs: 1_235 });
    const longest = request.encode({ peerId: executor, elapsedMs: 1e12 });
    expect(request.decode(longest)).toMatchObject({ elapsedMs: 2 ** 32 - 1 });
    const shifted = new Uint8Array([9, ...bytes]).subarray(1);
    expect(request.decode(shifted)).toEqual({ peerId: executor, elapsedMs: 1_235 });
    expect(response.decode(response.encode({}))).toEqual({});
    for (const wrong of [
      [],
      [0, 0, 0, 1],
      [0, 0, 0, 1, 48],
      [0, 0, 0, 1, 255],
      Array.from({ length: 200 }, () => 65),
    ])
      expect(() => request.decode(Uint8Array.from(wrong))).toThrow(/./);
  });
});

describe('a relay that is told of a trace', () => {
  it('adds what it carried between the two, whichever of them asks', () => {
    const { ask, spans } = serving();
    expect(ask(client, executor)).toEqual({});
    expect(ask(executor, client)).toEqual({});
    expect(spans.map(({ end }) => end.mock.calls.length)).toEqual([1, 1]);
    expect(spans[0]).toMatchObject({
      name: 'lloom.relay',
      config: {
        kind: 'internal',
        parent: traceparent,
        startedMsAgo: 1_235,
        attributes: {
          'lloom.client_id': client,
          'lloom.peer_id': executor,
          'lloom.elapsed_ms': 1_235,
          'lloom.circuit.bytes': 5_000,
          'lloom.circuit.bytes_left': 3_000,
        },
      },
    });
  });

  it('adds the newest of several connections, and no limit where there is none', () => {
    const { bytesLeft: _, ...unlimited } = { ...circuit, bytes: 70 };
    const { ask, spans } = serving([circuit, unlimited]);
    ask(client, executor);
    expect(spans[0]?.config.attributes).toMatchObject({ 'lloom.circuit.bytes': 70 });
    expect(spans[0]?.config.attributes).not.toHaveProperty('lloom.circuit.bytes_left');
  });

  it('adds one that was cut lately, and says so', () => {
    const { ask, spans } = serving([], [{ ...circuit, endedAt: nowMs - 300 }]);
    expect(ask(client, executor)).toEqual({});
    expect(spans[0]?.config).toMatchObject({
      startedMsAgo: 1_235,
      attributes: { 'lloom.circuit.ended': true, 'lloom.circuit.ended_ms_ago': 300 },
    });
    const { ask: askOpen, spans: ofOpen } = serving();
    askOpen(client, executor);
    expect(ofOpen[0]?.config.attributes).not.toHaveProperty('lloom.circuit.ended');
  });

  it('adds the one that was there when the request began, before one that came later', () => {
    const cut = { ...circuit, bytes: 1, endedAt: nowMs - 300 };
    const { ask, spans } = serving([{ ...circuit, bytes: 2, openedAt: nowMs - 200 }], [cut]);
    ask(client, executor);
    expect(spans[0]?.config.attributes).toMatchObject({ 'lloom.circuit.bytes': 1 });
  });

  it('adds no time before its connection was there, and a day at most', () => {
    for (const [openedAt, startedMsAgo] of [
      [nowMs - 50, 50],
      [nowMs + 5_000, 0],
    ] as const) {
      const { ask, spans } = serving([{ ...circuit, openedAt }]);
      ask(client, executor);
      expect(spans[0]?.config.startedMsAgo).toBe(startedMsAgo);
    }
    const { ask, spans } = serving([{ ...circuit, openedAt: nowMs - 200_000_000 }]);
    ask(client, executor, 150_000_000);
    expect(spans[0]?.config.startedMsAgo).toBe(86_400_000);
  });

  it('refuses whoever it does not carry anything for, and what belongs to no trace', () => {
    const { ask, spans } = serving();
    const unasked = [
      () => ask(stranger, executor),
      () => ask(client, stranger),
      () => ask(client, client),
      () => ask(client, relay),
    ];
    for (const act of unasked) expect(act).toThrow(Refusal);
    const protocol = serves(tracerWith(() => undefined));
    const untraced = { peerId: client, about: executor, traceparent: undefined };
    expect(() => answered(protocol, untraced)).toThrow(Refusal);
    expect(spans).toEqual([]);
  });

  it('answers when nothing is sampled here, or its tracer fails', () => {
    const failing = (): never => {
      throw new Error('the tracer fails');
    };
    for (const startSpan of [() => undefined, failing])
      expect(answered(serves(tracerWith(startSpan)), { ...asked, traceparent })).toEqual({});
  });

  it('outlives a tracer whose promises reject', async () => {
    const failing = async (): Promise<never> => {
      throw new Error('the tracer fails later');
    };
    const escaped: unknown[] = [];
    const note = (error: unknown): void => void escaped.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    const ending = (): object => ({ end: failing });
    for (const startSpan of [ending, failing] as unknown as Tracer['startSpan'][])
      expect(answered(serves(tracerWith(startSpan)), { ...asked, traceparent })).toEqual({});
    await settled();
    await settled();
    expect(escaped).toEqual([]);
  });

  it('does nothing without a tracer, whoever asks', () => {
    expect(answered(serves(undefined), { ...asked, traceparent: undefined })).toEqual({});
  });
});
