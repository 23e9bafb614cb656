import type { MessageStream } from '@libp2p/interface';

/** What of a decoder of records is read and replaced. libp2p's types do not show it, so that another version may not have it. */
interface RecordDecoder {
  lengthDecoder(data: Bytes): number;
}

interface Bytes {
  readonly byteLength: number;
  get(index: number): number;
}

/** The length of the longest record: what is shorter than that is not complete, and waited for. */
const longest = 0xffff;

/**
 * Lets a connection of Noise read the lengths of records without an exception. libp2p's own throws one whenever it has read all
 * that came, which is after each read: a tenth of the processor's time of a node that hears many small messages. A connection that
 * is built otherwise stays as it is.
 */
export function readLengthsQuietly(connection: MessageStream): void {
  const { decoder } = connection as { readonly decoder?: Partial<RecordDecoder> };
  if (typeof decoder?.lengthDecoder !== 'function') return;
  decoder.lengthDecoder = (data) => (data.byteLength < 2 ? longest : data.get(0) * 256 + data.get(1));
}
