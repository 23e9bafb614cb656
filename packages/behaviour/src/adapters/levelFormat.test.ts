import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Key } from 'interface-datastore';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FolderDatastore } from './level.ts';
import { disarm, filesOf, logContent, maskedCrc, tableDamage } from './levelFormat.ts';

let folder: string;
const files = new Map<string, Buffer>();
const fileOf = (pattern: RegExp): Buffer => {
  for (const [name, bytes] of files) if (pattern.test(name)) return Buffer.from(bytes);
  throw new Error(`no file like ${pattern}`);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-level-'));
  for (const index of [0, 1]) {
    const datastore = new FolderDatastore(folder, false);
    await datastore.open();
    await datastore.put(new Key(`/lloom/peers/ban/${index}`), new Uint8Array(8).fill(index));
    // The first becomes a small table, the second stays in a log of several blocks.
    if (index === 1) await datastore.put(new Key('/lloom/long'), new Uint8Array(100_000));
    await datastore.close();
  }
  for (const name of await readdir(folder)) files.set(name, await readFile(join(folder, name)));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** The bits of the bytes in an interval, flipped one at a time. */
function* flips(bytes: Buffer, from: number, to: number): Generator<number> {
  for (let bit = from * 8; bit < to * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    yield bit;
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
}

describe('the files of LevelDB', () => {
  it('have the checksums that it computes', () => {
    // The check value of CRC-32C, masked as LevelDB does.
    expect(maskedCrc(Buffer.from('123456789'))).toBe(
      (((0xe3069283 >>> 15) | (0xe3069283 << 17)) + 0xa282ead8) >>> 0,
    );
  });

  it('are found to be sound', () => {
    expect(tableDamage(fileOf(/ldb$/))).toBeUndefined();
    const { records, isSound } = logContent(fileOf(/log$/));
    expect([records.length, isSound]).toEqual([2, true]);
    const { log, tables } = filesOf(fileOf(/^MANIFEST/))!;
    expect([...files.keys()]).toContain(`${String(log).padStart(6, '0')}.log`);
    expect([...tables].map((number) => `${String(number).padStart(6, '0')}.ldb`)).toEqual(
      [...files.keys()].filter((name) => name.endsWith('.ldb')),
    );
  });

  it('tell of every bit that was flipped in a table, but for those that mean nothing', () => {
    const table = fileOf(/ldb$/);
    const unnoticed = new Set<number>();
    for (const bit of flips(table, 0, table.length))
      if (tableDamage(table) === undefined) unnoticed.add(bit >> 3);
    // Between the two handles of the footer and its magic number, and a bit that says the last handle goes on, with nothing.
    for (const byte of unnoticed) expect(table.length - byte).toBeLessThanOrEqual(48 - 3);
    expect(unnoticed.size).toBeLessThan(40);
  });

  it('tell of every bit that was flipped in a manifest', () => {
    const manifest = fileOf(/^MANIFEST/);
    const whole = [...filesOf(manifest)!.tables];
    for (const bit of flips(manifest, 0, manifest.length)) {
      // A length that reaches beyond the end looks like a file that was being written: of that no more is taken than is sound.
      const tables = [...(filesOf(manifest)?.tables ?? [])];
      expect([bit, tables.filter((table) => !whole.includes(table))]).toEqual([bit, []]);
    }
  });

  it('tell of a log that was changed, not of one that ends early', () => {
    const log = fileOf(/log$/);
    log[50_000]! ^= 1;
    expect(logContent(log)).toMatchObject({ isSound: false });
    expect(logContent(fileOf(/log$/).subarray(0, 50_000))).toMatchObject({ isSound: true });
    expect(logContent(Buffer.alloc(100_000))).toEqual({ records: [], isSound: true });
    expect(filesOf(Buffer.alloc(0))).toBeUndefined();
  });

  it('are no tables when they are something else', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(7), Buffer.alloc(4_096)])
      expect(tableDamage(bytes)).toEqual({ isReadable: false, records: [] });
  });

  it('are complete when only the way to the filter was damaged and is cut off', async () => {
    const table = fileOf(/ldb$/);
    let mended = 0;
    for (const _ of flips(table, 0, table.length - 48)) {
      const damage = tableDamage(table);
      if (damage?.meta === undefined || damage.records.length > 0) continue;
      const copy = Buffer.from(table);
      disarm(copy, damage);
      expect(tableDamage(copy)).toBeUndefined();
      if (mended++ > 0) continue;
      const name = [...files.keys()].find((file) => file.endsWith('.ldb'))!;
      await writeFile(join(folder, name), copy);
      const datastore = new FolderDatastore(folder, false);
      await datastore.open();
      expect(new Uint8Array(await datastore.get(new Key('/lloom/peers/ban/0')))).toEqual(new Uint8Array(8));
      await datastore.close();
    }
    expect(mended).toBeGreaterThan(0);
  });
});
