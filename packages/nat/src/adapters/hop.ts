import type { Connection } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { Reader, Writer } from 'protobufjs/minimal.js';

/** Circuit relay v2: what relays speak. */
export const hopProtocol = '/libp2p/circuit/relay/0.2.0/hop';

/** The specification's status codes that say no to who asks for a place. */
const refusals: Readonly<Record<number, string>> = {
  200: 'it is full',
  201: 'it has no resources left',
  202: 'it denies it',
};
const okStatus = 100;

/** A relay that has many addresses names all of them. */
const maxAnswerBytes = 8 * 1_024;
/** Room for the length prefix and for what a muxer delivers in one piece. */
const slackBytes = 1_024;
const maxAddresses = 8;

const [reserveType, statusType] = [0, 2];

/** What a relay said. */
export type HopAnswer =
  | {
      readonly kind: 'place';
      /** By the relay's clock, in ms since 1970. */
      readonly expiresAt: number;
      /** As they came, at most 8. */
      readonly addresses: readonly Uint8Array[];
    }
  | { readonly kind: 'refused'; readonly reason: string };

/** Asks a relay for a place, or for more time. Rejects when it does not answer as the protocol says. */
export async function askForPlace(connection: Connection, signal: AbortSignal): Promise<HopAnswer> {
  const stream = await connection.newStream(hopProtocol, { signal });
  try {
    const frames = lpStream(stream, {
      maxDataLength: maxAnswerBytes,
      maxBufferSize: maxAnswerBytes + slackBytes,
    });
    await frames.write(Writer.create().uint32(8).uint32(reserveType).finish(), { signal });
    const answer = (await frames.read({ signal })).subarray();
    await stream.close({ signal });
    return decodeAnswer(answer);
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/** @throws when the bytes are no answer to who asks for a place */
export function decodeAnswer(bytes: Uint8Array): HopAnswer {
  const reader = Reader.create(bytes);
  let [type, status]: (number | undefined)[] = [];
  let reservation: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) type = reader.uint32();
    else if (tag === 26) reservation = reader.bytes();
    else if (tag === 40) status = reader.uint32();
    else reader.skipType(tag & 7);
  }
  if (type !== statusType || status === undefined) throw new Error('the relay answered something else');
  const reason = refusals[status];
  if (reason !== undefined) return { kind: 'refused', reason };
  if (status !== okStatus) throw new Error(`the relay answered with status ${status}`);
  if (reservation === undefined) throw new Error('the relay said yes, and named no place');
  return { kind: 'place', ...decodeReservation(reservation) };
}

/** The voucher is for others; nobody asks for it. */
function decodeReservation(bytes: Uint8Array): {
  readonly expiresAt: number;
  readonly addresses: readonly Uint8Array[];
} {
  const reader = Reader.create(bytes);
  let expiresAt = 0;
  const addresses: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) expiresAt = Number(reader.uint64()) * 1_000;
    else if (tag === 18 && addresses.length < maxAddresses) addresses.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return { expiresAt, addresses };
}
