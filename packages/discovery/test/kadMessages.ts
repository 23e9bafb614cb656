import type { Stream } from '@libp2p/interface';
import { Libp2pRecord } from '@libp2p/record';
import { lpStream } from '@libp2p/utils';

/** The protocol of the DHT in every test. */
export const kadProtocol = '/lloom/kad/1.0.0';

/** Numbers of its messages. */
export const kad = {
  putValue: 0,
  getValue: 1,
  addProvider: 2,
  getProviders: 3,
  findNode: 4,
  ping: 5,
} as const;

/** A peer as messages of the DHT name it. */
export interface KadPeer {
  /** The multihash of its id. */
  readonly id: Uint8Array;
  readonly addresses: readonly Uint8Array[];
}

/** What a message of the DHT says. */
export interface KadMessage {
  readonly type: number;
  readonly key?: Uint8Array;
  readonly record?: Uint8Array;
  readonly closer?: readonly KadPeer[];
  readonly providers?: readonly KadPeer[];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const bytesField = (number: number, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);

const encodePeer = ({ id, addresses }: KadPeer): Uint8Array =>
  Buffer.concat([bytesField(1, id), ...addresses.map((address) => bytesField(2, address))]);

/** The bytes of a message, as kad-dht's `dht.proto` has them. */
export function encodeKad({ type, key, record, closer = [], providers = [] }: KadMessage): Uint8Array {
  return Buffer.concat([
    Uint8Array.from([8, type]),
    ...(key === undefined ? [] : [bytesField(2, key)]),
    ...(record === undefined ? [] : [bytesField(3, record)]),
    ...closer.map((peer) => bytesField(8, encodePeer(peer))),
    ...providers.map((peer) => bytesField(9, encodePeer(peer))),
  ]);
}

/** Type and key of a message: all that a liar needs to know. */
export function decodeKad(bytes: Uint8Array): { readonly type: number; readonly key: Uint8Array } {
  let [at, type, key] = [0, 0, new Uint8Array()];
  const next = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++] ?? 0;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const value = next();
    if (tag === 8) type = value;
    if (tag % 8 === 2) at += value;
    if (tag === 18) key = bytes.slice(at - value, at);
  }
  return { type, key };
}

/** A record of the DHT as a message carries it. */
export const kadRecord = (key: Uint8Array, value: Uint8Array): Uint8Array =>
  new Libp2pRecord(key, value, new Date()).serialize();

/** A message that asks to store a record. */
export const putValue = (key: Uint8Array, value: Uint8Array): Uint8Array =>
  encodeKad({ type: kad.putValue, key, record: kadRecord(key, value) });

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Whether one message, on a stream of its own, was answered. One that is refused ends its stream. */
export async function isTaken(stream: Stream, message: Uint8Array): Promise<boolean> {
  const messages = lpStream(stream);
  try {
    await messages.write(message);
    await messages.read();
    await stream.close();
    return true;
  } catch {
    stream.abort(new Error('it was refused'));
    return false;
  }
}
