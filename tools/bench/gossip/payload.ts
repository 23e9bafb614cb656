/** How large a message is, in bytes. */
const payloadBytes = 1_024;

/** Milliseconds by a clock that all processes of a machine share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Ids from here on are of open loads, those below of closed ones. */
export const firstOpenId = 2 ** 31;

/** What a message says. */
export interface Payload {
  readonly id: number;
  /** When it was to be published. */
  readonly dueMs: number;
}

/** A message as bytes. */
export function encodePayload({ id, dueMs }: Payload): Uint8Array {
  const bytes = new Uint8Array(payloadBytes).fill(0x62);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id);
  view.setFloat64(4, dueMs);
  return bytes;
}

/** What the bytes say. */
export function decodePayload(bytes: Uint8Array): Payload {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { id: view.getUint32(0), dueMs: view.getFloat64(4) };
}
