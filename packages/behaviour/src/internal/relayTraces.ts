import type { SpanAttributes, Tracer } from '@lloom/core';
import type { Nat, RelayedCircuit } from '@lloom/nat';
import type { Peers } from '@lloom/peers';
import { Refusal, type CustomProtocol, type Rpc, type RpcPorts } from '@lloom/rpc';

type RelayTraces = NonNullable<RpcPorts['relayTraces']>;

/** What a relay is told of a request that went through it. The trace that it belongs to stands in the request's head. */
interface Carried {
  /** Who was asked through the relay. */
  readonly peerId: string;
  /** From sending the request to the end of its answer, in ms. */
  readonly elapsedMs: number;
}

type Answer = Readonly<Record<string, never>>;

/** What knows the relays, and who is carried. */
interface Sources {
  readonly nat: Pick<Nat, 'relayedCircuits'>;
  readonly peers: Pick<Peers, 'isConnected'>;
  readonly rpc: Pick<Rpc, 'callProtocol'>;
}

/** A relay that is slow to hear of it is not worth more. */
const timeoutMs = 2_000;
const maxAtOnce = 16;

const timeBytes = 4;
const longestMs = 2 ** 32 - 1;
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

/** Tells relays of sampled requests that went through them, while they are connected. What fails is not told again. */
export function relayTracesOf(services: () => Pick<Sources, 'peers' | 'rpc'>): RelayTraces {
  let running = 0;
  const tell = async (relay: string, { traceparent, ...carried }: Carried & { traceparent: string }) => {
    const { peers, rpc } = services();
    if (peers.isConnected(relay)) await rpc.callProtocol(relay, calling, carried, { timeoutMs, traceparent });
  };
  return {
    carried: ({ relay, ...carried }) => {
      if (running >= maxAtOnce || !isSampled(carried.traceparent)) return;
      running += 1;
      tell(relay, carried)
        // The relay does not take part, or is gone: the trace goes without it.
        .catch(() => undefined)
        .finally(() => (running -= 1));
    },
  };
}

/**
 * What a relay serves: whoever it carries a connection for may have it add its span to a trace. Nobody else, and to nothing but
 * what goes through it.
 */
export function relayTraceProtocol(
  services: () => Pick<Sources, 'nat'>,
  tracer: Tracer,
): CustomProtocol<Carried, Answer> {
  return {
    ...calling,
    handleRequest: (clientId, carried, { traceparent }) => {
      if (traceparent === undefined) throw new Refusal('INVALID_REQUEST', 'there is no trace');
      const circuit = services()
        .nat.relayedCircuits(clientId)
        .findLast(({ from, to }) => carried.peerId === (from === clientId ? to : from));
      if (circuit === undefined)
        throw new Refusal('INVALID_REQUEST', 'this node carries no connection between the two');
      const attributes = attributesOf(clientId, carried, circuit);
      try {
        tracer.startSpan('lloom.relay', { kind: 'internal', parent: traceparent, attributes })?.end();
      } catch {
        // The client is not to blame.
      }
      return {};
    },
  };
}

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
