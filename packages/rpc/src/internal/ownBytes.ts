/**
 * Bytes that will be kept: by themselves, where they are a small part of much that came with them. A view of a few bytes
 * would hold all that the network gave at once.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return 2 * bytes.length < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}
