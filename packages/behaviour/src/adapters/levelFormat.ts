/** Where a block of a table begins, and how long it is without its trailer of five bytes. */
export interface Block {
  readonly offset: number;
  readonly size: number;
}

/** What is wrong with a table. */
export interface TableDamage {
  /** False: nothing leads to its blocks any more. */
  readonly isReadable: boolean;
  /** Blocks of records that are not as they were written. */
  readonly records: readonly Block[];
  /** The block that leads to the filter, when either is damaged: a table is complete without. */
  readonly meta?: Block;
}

const footerLength = 48;
const magic = 0xdb4775248b80fb57n;
const trailerLength = 5;
const logBlockLength = 32_768;
const logHeaderLength = 7;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** The checksum of LevelDB's files: CRC-32C, turned so that a checksum of checksums is a good one too. */
export function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  const plain = ~crc >>> 0;
  return (((plain >>> 15) | (plain << 17)) + 0xa282ead8) >>> 0;
}

/** Reads numbers one after the other. @throws {RangeError} beyond the end */
class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('the number is too long');
  }

  take(length: number): Buffer {
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('it ends too early');
    return this.#bytes.subarray(from, this.#at);
  }

  /** What stands behind its own length. */
  sized(): Buffer {
    return this.take(this.varint());
  }

  block(): Block {
    return { offset: this.varint(), size: this.varint() };
  }
}

/** What is wrong with a table; `undefined` when nothing is. LevelDB itself does not look, and may end the process. */
export function tableDamage(bytes: Buffer): TableDamage | undefined {
  try {
    if (bytes.readBigUInt64LE(bytes.length - 8) !== magic) return unreadable;
    const footer = new Reader(bytes, bytes.length - footerLength);
    const meta = footer.block();
    const index = footer.block();
    if (!isSound(bytes, index) || meta.offset + meta.size + trailerLength > bytes.length) return unreadable;
    const records = blocksIn(bytes, index).filter((block) => !isSound(bytes, block));
    const isMetaSound = isSound(bytes, meta) && blocksIn(bytes, meta).every((block) => isSound(bytes, block));
    if (isMetaSound) return records.length === 0 ? undefined : { isReadable: true, records };
    return { isReadable: true, records, meta };
  } catch (error) {
    if (error instanceof RangeError) return unreadable;
    throw error;
  }
}

/**
 * Makes damaged blocks such that LevelDB knows them for what they are, and leaves them out. Whatever was in them is gone before.
 */
export function disarm(bytes: Buffer, { records, meta }: TableDamage): void {
  for (const { offset, size } of meta === undefined ? records : [...records, meta]) {
    const end = Math.min(offset + size, bytes.length);
    // More restarts than there is room for: then it reads nothing of it.
    bytes.fill(0xff, Math.max(0, end - 4), end);
    if (end < bytes.length) bytes[end] = 0;
  }
  // A table without a filter is sound.
  if (meta === undefined) return;
  const end = meta.offset + meta.size;
  bytes.writeUInt32LE(maskedCrc(bytes.subarray(meta.offset, end + 1)), end + 1);
}

const unreadable: TableDamage = Object.freeze({ isReadable: false, records: [] });

function isSound(bytes: Buffer, { offset, size }: Block): boolean {
  const end = offset + size;
  if (size < 4 || end + trailerLength > bytes.length) return false;
  return maskedCrc(bytes.subarray(offset, end + 1)) === bytes.readUInt32LE(end + 1);
}

/** The blocks that the entries of a block lead to. */
function blocksIn(bytes: Buffer, { offset, size }: Block): Block[] {
  const end = offset + size;
  // What is compressed is not looked into: this node compresses nothing.
  if (bytes[end] !== 0) return [];
  const restarts = bytes.readUInt32LE(end - 4);
  const entriesEnd = end - 4 * (restarts + 1);
  if (entriesEnd < offset) return [];
  const entries = new Reader(bytes.subarray(offset, entriesEnd));
  const blocks: Block[] = [];
  while (!entries.isAtEnd) {
    entries.varint();
    const keyLength = entries.varint();
    const valueLength = entries.varint();
    entries.take(keyLength);
    blocks.push(new Reader(entries.take(valueLength)).block());
  }
  return blocks;
}

/** What a log holds, as far as it is sound; one that ends in the middle of a record was being written. */
export function logContent(bytes: Buffer): {
  readonly records: readonly Buffer[];
  readonly isSound: boolean;
} {
  const records: Buffer[] = [];
  let parts: Buffer[] = [];
  let at = 0;
  while (at + logHeaderLength <= bytes.length) {
    const left = logBlockLength - (at % logBlockLength);
    if (left < logHeaderLength) {
      at += left;
      continue;
    }
    const length = bytes.readUInt16LE(at + 4);
    const type = bytes[at + 6]!;
    const end = at + logHeaderLength + length;
    if (type === 0 && length === 0) {
      at += left;
      continue;
    }
    if (logHeaderLength + length > left) return { records, isSound: false };
    if (end > bytes.length) break;
    if (maskedCrc(bytes.subarray(at + 6, end)) !== bytes.readUInt32LE(at)) return { records, isSound: false };
    const part = bytes.subarray(at + logHeaderLength, end);
    // 1: a whole record, 2: its first part, 3: one in the middle, 4: its last.
    parts = type <= 2 ? [part] : [...parts, part];
    if (type === 1 || type === 4) records.push(Buffer.concat(parts));
    at = end;
  }
  return { records, isSound: true };
}

/** What a manifest names, by number. */
export interface LiveFiles {
  readonly tables: ReadonlySet<number>;
  /** The log whose records are in no table yet. It was made before it was named. 0: there was none yet. */
  readonly log: number;
}

/** The files that a manifest names; `undefined` when it is damaged. */
export function filesOf(manifest: Buffer): LiveFiles | undefined {
  const { records, isSound: isLogSound } = logContent(manifest);
  if (!isLogSound || records.length === 0) return undefined;
  const files = { tables: new Set<number>(), log: 0 };
  try {
    for (const record of records) readEdit(new Reader(record), files);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return files;
}

/** Takes over one change of the set of files. */
function readEdit(edit: Reader, files: { readonly tables: Set<number>; log: number }): void {
  while (!edit.isAtEnd) {
    const tag = edit.varint();
    if (tag === 1) edit.sized();
    else if (tag === 2) files.log = edit.varint();
    else if (tag === 3 || tag === 4 || tag === 9) edit.varint();
    else if (tag === 5) {
      edit.varint();
      edit.sized();
    } else if (tag === 6) {
      edit.varint();
      files.tables.delete(edit.varint());
    } else if (tag === 7) {
      edit.varint();
      files.tables.add(edit.varint());
      edit.varint();
      edit.sized();
      edit.sized();
    } else throw new RangeError('a manifest knows no such change');
  }
}
