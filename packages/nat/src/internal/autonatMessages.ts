import { Reader, Writer } from 'protobufjs/minimal.js';

// message Message          { oneof { DialRequest 1; DialResponse 2; DialDataRequest 3; DialDataResponse 4 } }
// message DialRequest      { repeated bytes addrs = 1; fixed64 nonce = 2; }
// message DialResponse     { ResponseStatus status = 1; uint32 addrIdx = 2; DialStatus dialStatus = 3; }
// message DialDataRequest  { uint32 addrIdx = 1; uint64 numBytes = 2; }
// message DialDataResponse { bytes data = 1; }
// message DialBack         { fixed64 nonce = 1; }
// message DialBackResponse { DialBackStatus status = 1; }

/** Where a node asks another to dial it. */
export const dialRequestProtocol = '/libp2p/autonat/2/dial-request';
/** Where the other proves that it did. */
export const dialBackProtocol = '/libp2p/autonat/2/dial-back';

/** The longest message that is read: what other implementations read. */
export const maxMessageBytes = 8_192;
/** The longest piece of dial data that is sent: the specification allows no more. */
export const dialDataPieceBytes = 4_096;
/** How much dial data is asked for, and given at most: the specification's 30,000 to 100,000 bytes. */
export const dialDataBytes = { least: 30_000, most: 100_000 } as const;
/** Addresses of a request that are looked at. */
const maxAddresses = 64;

/** What became of a request. */
export const responseStatus = {
  internalError: 0,
  rejected: 100,
  refused: 101,
  ok: 200,
} as const;
/** What became of a dial. */
export const dialStatus = { unused: 0, dialError: 100, dialBackError: 101, ok: 200 } as const;

/** What a server says at the end. Codes of others are kept as they are. */
export interface DialResponse {
  readonly kind: 'dialResponse';
  readonly status: number;
  readonly index: number;
  readonly dialStatus: number;
}

/** What is said on the stream of a request. */
export type AutonatMessage =
  | { readonly kind: 'dialRequest'; readonly addresses: readonly Uint8Array[]; readonly nonce: bigint }
  | DialResponse
  | { readonly kind: 'dialDataRequest'; readonly index: number; readonly byteCount: number }
  /** What it carries means nothing: only its length counts. */
  | { readonly kind: 'dialDataResponse'; readonly byteCount: number }
  | { readonly kind: 'unknown' };

const numbered = [undefined, 'dialRequest', 'dialResponse', 'dialDataRequest', 'dialDataResponse'] as const;
const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const lowWord = 0xffff_ffffn;

/** One message, without its length. */
export function encodeMessage(message: Exclude<AutonatMessage, { readonly kind: 'unknown' }>): Uint8Array {
  const writer = Writer.create();
  writer.uint32(tag(numbered.indexOf(message.kind), lengthDelimited)).fork();
  writeContent(writer, message);
  return writer.ldelim().finish();
}

/** The same of a dial-back. */
export function encodeDialBack(nonce: bigint): Uint8Array {
  return writeNonce(Writer.create(), 1, nonce).finish();
}

/** That a dial-back has arrived: the only status there is, written although it is the default, for frames that are empty puzzle some. */
export const dialBackResponse: Uint8Array = Uint8Array.of(tag(1, varint), 0);

/**
 * Reads one message. Of several contents the last counts.
 * @throws {RangeError | Error} when it is none
 */
export function decodeMessage(bytes: Uint8Array): AutonatMessage {
  let message: AutonatMessage = { kind: 'unknown' };
  eachField(bytes, (field, type, reader) => {
    const kind = numbered[field];
    if (kind === undefined || type !== lengthDelimited) return false;
    message = contentOf(kind, reader.bytes());
    return true;
  });
  return message;
}

/**
 * The nonce of a dial-back.
 * @throws {RangeError | Error} when it is none
 */
export function decodeDialBack(bytes: Uint8Array): bigint {
  let nonce = 0n;
  eachField(bytes, (field, type, reader) => {
    if (field !== 1 || type !== fixed64) return false;
    nonce = readNonce(reader);
    return true;
  });
  return nonce;
}

/**
 * Whether the other side took a dial-back.
 * @throws {RangeError | Error} when it is no answer to one
 */
export function isDialBackTaken(bytes: Uint8Array): boolean {
  let status = 0;
  eachField(bytes, (field, type, reader) => {
    if (field !== 1 || type !== varint) return false;
    status = reader.uint32();
    return true;
  });
  return status === 0;
}

function writeContent(writer: Writer, message: Exclude<AutonatMessage, { readonly kind: 'unknown' }>): void {
  switch (message.kind) {
    case 'dialRequest':
      for (const address of message.addresses) writer.uint32(tag(1, lengthDelimited)).bytes(address);
      writeNonce(writer, 2, message.nonce);
      return;
    case 'dialResponse':
      writeNumbers(writer, [message.status, message.index, message.dialStatus]);
      return;
    case 'dialDataRequest':
      writeNumbers(writer, [message.index, message.byteCount]);
      return;
    case 'dialDataResponse':
      writer.uint32(tag(1, lengthDelimited)).bytes(new Uint8Array(message.byteCount));
  }
}

function contentOf(kind: NonNullable<(typeof numbered)[number]>, bytes: Uint8Array): AutonatMessage {
  const numbers = [0, 0, 0];
  const addresses: Uint8Array[] = [];
  let [nonce, byteCount] = [0n, 0];
  eachField(bytes, (field, type, reader) => {
    if (type === varint && field <= numbers.length) numbers[field - 1] = readNumber(reader);
    else if (kind === 'dialRequest' && field === 1 && type === lengthDelimited) {
      const address = reader.bytes();
      if (addresses.length < maxAddresses) addresses.push(address);
    } else if (kind === 'dialRequest' && field === 2 && type === fixed64) nonce = readNonce(reader);
    else if (kind === 'dialDataResponse' && field === 1 && type === lengthDelimited)
      byteCount = reader.bytes().length;
    else return false;
    return true;
  });
  const [first, second, third] = numbers as [number, number, number];
  switch (kind) {
    case 'dialRequest':
      return { kind, addresses, nonce };
    case 'dialResponse':
      return { kind, status: first, index: second, dialStatus: third };
    case 'dialDataRequest':
      return { kind, index: first, byteCount: second };
    case 'dialDataResponse':
      return { kind, byteCount };
  }
}

function eachField(bytes: Uint8Array, read: (field: number, type: number, reader: Reader) => boolean): void {
  const reader = Reader.create(bytes);
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    const [field, type] = [key >>> 3, key & 7];
    if (field === 0) throw new RangeError('a field without number');
    if (!read(field, type, reader)) reader.skipType(type);
  }
}

function tag(field: number, type: number): number {
  return (field << 3) | type;
}

/** Fields 1, 2, … of which defaults are left out. */
function writeNumbers(writer: Writer, numbers: readonly number[]): void {
  for (const [at, value] of numbers.entries()) {
    if (value !== 0) writer.uint32(tag(at + 1, varint)).uint32(value);
  }
}

function writeNonce(writer: Writer, field: number, nonce: bigint): Writer {
  return writer
    .uint32(tag(field, fixed64))
    .fixed32(Number(nonce & lowWord))
    .fixed32(Number(nonce >> 32n));
}

function readNonce(reader: Reader): bigint {
  const low = BigInt(reader.fixed32());
  return (BigInt(reader.fixed32()) << 32n) | low;
}

/** Up to 64 bits; what is beyond a safe integer is as good as endless. */
function readNumber(reader: Reader): number {
  const value = reader.uint64();
  return typeof value === 'number' ? value : (value.high >>> 0) * 2 ** 32 + (value.low >>> 0);
}
