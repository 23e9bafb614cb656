import { RecentMap, safe, type Clock, type SpanAttributes, type SpanConfig, type Tracer } from '@lloom/core';
import type { Nat, RelayedCircuit } from '@lloom/nat';
import type { Peers } from '@lloom/peers';
import { Refusal, RpcError, type CustomProtocol, type Rpc, type RpcPorts } from '@lloom/rpc';

type RelayTraces = NonNullable<RpcPorts['relayTraces']>;

/** What a relay is told of a request that went through it. The trace that it belongs to stands in the request's head. */
interface Carried {
  /** Who was asked through the relay. */
  readonly peerId: string;
  /** How long the request took, in ms: the client's word. */
  readonly elapsedMs: number;
}

type Answer = Readonly<Record<string, never>>;

/** What knows the relays, and who is carried. */
interface Sources {
  readonly nat: Pick<Nat, 'endedCircuits' | 'relayedCircuits'>;
  readonly peers: Pick<Peers, 'isConnected'>;
  readonly rpc: Pick<Rpc, 'callProtocol'>;
}

/** A relay that is slow to hear of it is not worth more. */
const timeoutMs = 2_000;
const maxAtOnce = 16;
/** A relay that does not know the protocol may be replaced by one that does. */
const unsupportedMs = 3_600_000;
const maxUnsupported = 1_024;

const timeBytes = 4;
const longestMs = 2 ** 32 - 1;
const dayMs = 86_400_000;
const peerIdPattern = /^[1-9A-HJ-NP-Za-km-z]{1,128}$/;

/** The protocol without somebody who serves it: four bytes of time, big-endian, and the peer id as text; no bytes back. */
const calling: CustomProtocol<Carried, Answer> = {
  protocolName: '/lloom/relay-trace/1.0.0',
  request: {
    encode({ peerId, elapsedMs }) {
      const text = new TextEncoder().encode(peerId);
      const bytes = new Uint8Array(timeBytes + text.length);
      const time = Math.min(longestMs, Math.max(0, Math.round(elapsedMs)));
      new DataView(bytes.buffer).setUint32(0, time);
      bytes.set(text, timeBytes);
      return bytes;
    },
    decode(bytes) {
      const peerId = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(timeBytes));
      if (!peerIdPattern.test(peerId)) throw new Error('there is no peer id');
      const elapsedMs = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
      return { peerId, elapsedMs };
    },
  },
  response: { encode: () => new Uint8Array(), decode: () => ({}) },
};

/**
 * Tells relays of sampled requests that went through them, while they are connected. What fails is not told again, and a relay
 * that does not know the protocol hears nothing for an hour.
 */
export function relayTracesOf(
  services: () => Pick<Sources, 'peers' | 'rpc'>,
  clock: Pick<Clock, 'elapsed'>,
): RelayTraces {
  let running = 0;
  /** When relays said that they do not know it, by the clock's elapsed time. */
  const unsupportedAt = new RecentMap<number>(maxUnsupported);
  const knowsIt = (relay: string): boolean =>
    clock.elapsed() >= (unsupportedAt.get(relay) ?? -Infinity) + unsupportedMs;
  const tell = async (relay: string, { traceparent, ...carried }: Carried & { traceparent: string }) => {
    try {
      const { peers, rpc } = services();
      if (!peers.isConnected(relay)) return;
      await rpc.callProtocol(relay, calling, carried, { timeoutMs, traceparent });
    } catch (error) {
      // The relay does not take part, or is gone: the trace goes without it.
      const isUnsupported = error instanceof RpcError && error.code === 'UNSUPPORTED_PROTOCOL';
      if (isUnsupported) unsupportedAt.set(relay, clock.elapsed());
    } finally {
      running -= 1;
    }
  };
  return {
    carried: ({ relay, ...carried }) => {
      if (running >= maxAtOnce || !isSampled(carried.traceparent) || !knowsIt(relay)) return;
      running += 1;
      void tell(relay, carried);
    },
  };
}

/**
 * What a relay serves: whoever it carries a connection for, or did until lately, may have it add its span to a trace. Nobody else,
 * and to nothing but what goes through it. Without a tracer it does nothing, and refuses nobody.
 */
export function relayTraceProtocol(
  services: () => Pick<Sources, 'nat'>,
  tracer: Tracer | undefined,
  clock: Pick<Clock, 'now'>,
): CustomProtocol<Carried, Answer> {
  return {
    ...calling,
    handleRequest: (clientId, carried, { traceparent }) => {
      if (tracer === undefined) return {};
      if (traceparent === undefined) throw new Refusal('INVALID_REQUEST', 'there is no trace');
      const { nat } = services();
      const now = clock.now();
      const between = [...nat.endedCircuits(clientId), ...nat.relayedCircuits(clientId)].filter(
        ({ from, to }) => carried.peerId === (from === clientId ? to : from),
      );
      const circuit = carrierOf(between, now - carried.elapsedMs);
      if (circuit === undefined)
        throw new Refusal('INVALID_REQUEST', 'this node carries no connection between the two');
      const attributes = { ...attributesOf(clientId, carried, circuit), ...endOf(circuit, now) };
      // Nothing went through it before it was there, whatever the client says.
      const startedMsAgo = Math.min(carried.elapsedMs, Math.max(0, now - circuit.openedAt), dayMs);
      addSpan(tracer, { kind: 'internal', parent: traceparent, startedMsAgo, attributes });
      return {};
    },
  };
}

/** A tracer that fails, now or later, breaks nothing: the client is not to blame. */
function addSpan(tracer: Tracer, config: SpanConfig): void {
  const contain = (act: () => unknown): void => safe(act, () => undefined)();
  contain(() => {
    const span = tracer.startSpan('lloom.relay', config);
    contain(() => span?.end());
    return span;
  });
}

/** The newest connection that was there when the request began, or else the newest. */
function carrierOf(circuits: readonly RelayedCircuit[], beganAt: number): RelayedCircuit | undefined {
  const byAge = circuits.toSorted((one, other) => one.openedAt - other.openedAt);
  return byAge.findLast(({ openedAt }) => openedAt <= beganAt) ?? byAge.at(-1);
}

const endOf = ({ endedAt }: RelayedCircuit, now: number): SpanAttributes =>
  endedAt === undefined
    ? {}
    : { 'lloom.circuit.ended': true, 'lloom.circuit.ended_ms_ago': Math.max(0, now - endedAt) };

const attributesOf = (
  clientId: string,
  { peerId, elapsedMs }: Carried,
  { bytes, bytesLeft }: RelayedCircuit,
): SpanAttributes => ({
  'lloom.client_id': clientId,
  'lloom.peer_id': peerId,
  'lloom.elapsed_ms': elapsedMs,
  'lloom.circuit.bytes': bytes,
  ...(bytesLeft !== undefined && { 'lloom.circuit.bytes_left': bytesLeft }),
});

/** The last bit of the flags at the end of a W3C `traceparent`. */
const isSampled = (traceparent: string): boolean =>
  (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1;
