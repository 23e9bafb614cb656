import { decodeOpenHead, encodeOpenHead, type OpenHead } from '@lloom/codec';

/** Writes the heads of requests. Most are like the one before: then its bytes are used again. */
export class HeadWriter {
  #last: OpenHead | undefined;
  #bytes: Uint8Array = new Uint8Array(0);

  /** @throws {CodecError} `INVALID_FIELD` */
  write(head: OpenHead): Uint8Array {
    if (this.#last !== undefined && isSame(head, this.#last)) return this.#bytes;
    const encoded = encodeOpenHead(head);
    const bytes = new Uint8Array(2 + encoded.length);
    bytes[0] = encoded.length >>> 8;
    bytes[1] = encoded.length & 0xff;
    bytes.set(encoded, 2);
    this.#bytes = bytes;
    this.#last = isPlain(head) ? head : undefined;
    return bytes;
  }
}

/** Reads the heads of requests. Most are, to the byte, like the one before. */
export class HeadReader {
  #bytes: Uint8Array | undefined;
  #last: OpenHead | undefined;

  /** @throws {CodecError} `MALFORMED`, `INVALID_FIELD` */
  read(bytes: Uint8Array): OpenHead {
    if (this.#last !== undefined && this.#bytes !== undefined && Buffer.compare(bytes, this.#bytes) === 0)
      return this.#last;
    this.#last = undefined;
    const head = decodeOpenHead(bytes);
    this.#bytes = bytes.slice();
    this.#last = head;
    return head;
  }
}

const isEmpty = (metadata: OpenHead['metadata']): boolean => {
  for (const _ in metadata) return false;
  return true;
};

/** Whether nothing in it belongs to one request alone. */
function isPlain({ idempotencyKey, traceparent, sizeBytes, metadata }: OpenHead): boolean {
  return (
    idempotencyKey === undefined && traceparent === undefined && sizeBytes === undefined && isEmpty(metadata)
  );
}

function isSame(head: OpenHead, last: OpenHead): boolean {
  return (
    head.method === last.method &&
    head.timeoutMs === last.timeoutMs &&
    head.stream === last.stream &&
    isPlain(head)
  );
}
