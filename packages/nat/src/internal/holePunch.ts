import { Reader, Writer } from 'protobufjs/minimal.js';

/** One message of DCUtR, as https://github.com/libp2p/specs/blob/master/relay/DCUtR.md has it. */
export interface HolePunch {
  readonly type: 'connect' | 'sync';
  /** Multiaddrs in their binary form, as they came. At most 16. */
  readonly addresses: readonly Uint8Array[];
}

/** The specification's limit of one message, in bytes. */
export const maxHolePunchBytes = 4_096;
/** Of what a peer says, no more is read. */
const maxAddresses = 16;
/** The binary form of an address that can be dialled is a tenth of it. */
const maxAddressBytes = 512;

const codes = { connect: 100, sync: 300 } as const;
const tags = { type: 8, address: 18 } as const;

/** The bytes of a message, without their length before them. */
export function encodeHolePunch({ type, addresses }: HolePunch): Uint8Array {
  const writer = Writer.create().uint32(tags.type).int32(codes[type]);
  for (const address of addresses) writer.uint32(tags.address).bytes(address);
  return writer.finish();
}

/** The message, or `undefined` for bytes that are none. Addresses beyond the 16th and overlong ones are left out. */
export function decodeHolePunch(bytes: Uint8Array): HolePunch | undefined {
  if (bytes.byteLength > maxHolePunchBytes) return undefined;
  try {
    return read(Reader.create(bytes));
  } catch {
    return undefined;
  }
}

function read(reader: Reader): HolePunch | undefined {
  const addresses: Uint8Array[] = [];
  let code: number | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === tags.type) code = reader.int32();
    else if (tag === tags.address) {
      const address = reader.bytes();
      const fits = address.byteLength > 0 && address.byteLength <= maxAddressBytes;
      if (fits && addresses.length < maxAddresses) addresses.push(Uint8Array.from(address));
    } else reader.skipType(tag & 7);
  }
  if (code === codes.connect) return { type: 'connect', addresses };
  return code === codes.sync ? { type: 'sync', addresses } : undefined;
}
