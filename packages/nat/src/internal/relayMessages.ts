import { Reader, Writer } from 'protobufjs/minimal.js';

/** What is asked of a relay, and what one of the two answers: `Status` of circuit relay v2. */
export const relayStatus = {
  ok: 100,
  reservationRefused: 200,
  resourceLimitExceeded: 201,
  permissionDenied: 202,
  connectionFailed: 203,
  noReservation: 204,
  malformedMessage: 400,
  unexpectedMessage: 401,
} as const;

export type RelayStatus = (typeof relayStatus)[keyof typeof relayStatus];

/** The specification allows 4 KiB. */
export const maxRelayMessageBytes = 4 * 1_024;

/** What somebody asks of a relay. */
export type HopRequest =
  | { readonly type: 'reserve' }
  | { readonly type: 'connect'; readonly peer: Uint8Array }
  | { readonly type: 'other' };

/** What a relay lets through on one connection; without a field as much as one likes. */
export interface CircuitLimit {
  readonly seconds?: number;
  readonly bytes?: number;
}

/** What a relay answers. */
export interface HopAnswer {
  readonly status: RelayStatus;
  readonly reservation?: { readonly expiresAtSeconds: number; readonly addresses: readonly Uint8Array[] };
  readonly limit?: CircuitLimit;
}

const hopTypes = ['reserve', 'connect'] as const;
const status = 2;

/** @throws when the bytes are no such message */
export function decodeHopRequest(bytes: Uint8Array): HopRequest {
  const reader = Reader.create(bytes);
  let type: number | undefined;
  let peer: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) type = reader.uint32();
    else if (tag === 18) peer = decodePeer(reader.bytes());
    else reader.skipType(tag & 7);
  }
  switch (hopTypes[type ?? -1]) {
    case 'reserve':
      return { type: 'reserve' };
    case 'connect':
      if (peer === undefined) throw new Error('it names no peer');
      return { type: 'connect', peer };
    default:
      return { type: 'other' };
  }
}

/** The id alone: where the peer may be does not matter to a relay. */
function decodePeer(bytes: Uint8Array): Uint8Array | undefined {
  const reader = Reader.create(bytes);
  let id: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 10) id = reader.bytes();
    else reader.skipType(tag & 7);
  }
  return id;
}

export function encodeHopAnswer(answer: HopAnswer): Uint8Array {
  const writer = Writer.create().uint32(8).uint32(status);
  if (answer.reservation !== undefined) {
    const { expiresAtSeconds, addresses } = answer.reservation;
    writer.uint32(26).fork().uint32(8).uint64(expiresAtSeconds);
    for (const address of addresses) writer.uint32(18).bytes(address);
    writer.ldelim();
  }
  if (answer.limit !== undefined) writeLimit(writer.uint32(34), answer.limit);
  return writer.uint32(40).uint32(answer.status).finish();
}

/** Tells a peer that somebody wants to be connected with it. */
export function encodeStopRequest(peer: Uint8Array, limit: CircuitLimit | undefined): Uint8Array {
  const writer = Writer.create().uint32(8).uint32(0);
  writer.uint32(18).fork().uint32(10).bytes(peer).ldelim();
  if (limit !== undefined) writeLimit(writer.uint32(26), limit);
  return writer.finish();
}

/**
 * What that peer says to it.
 * @throws when the bytes are no such message
 */
export function decodeStopStatus(bytes: Uint8Array): number | undefined {
  const reader = Reader.create(bytes);
  let found: number | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 32) found = reader.uint32();
    else reader.skipType(tag & 7);
  }
  return found;
}

function writeLimit(writer: Writer, { seconds, bytes }: CircuitLimit): void {
  writer.fork();
  if (seconds !== undefined) writer.uint32(8).uint32(seconds);
  if (bytes !== undefined) writer.uint32(16).uint64(bytes);
  writer.ldelim();
}
