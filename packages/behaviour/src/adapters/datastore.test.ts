import { mkdtemp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryDatastore } from 'datastore-core';
import { Key } from 'interface-datastore';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDatastore, type OpenDatastore } from './datastore.ts';
import type { FolderDatastore } from './level.ts';
import { isDamage } from './levelDamage.ts';

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const key = new Key('/lloom/peers/ban/peer');
const value = new TextEncoder().encode('kept');

let folder: string;
let path: string;
const warnings = vi.spyOn(process, 'emitWarning');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-datastore-'));
  path = join(folder, 'store');
  warnings.mockReset().mockImplementation(() => undefined);
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const open = (isSynced = false): Promise<OpenDatastore> =>
  openDatastore(undefined, { path, isSynced, nowMs });

/** A folder with a record in it: in its log, and from the second time on in a table too. */
async function fill(times = 1): Promise<void> {
  for (let time = 0; time < times; time++) {
    const { datastore, close } = await open();
    await datastore.put(key, value);
    await close();
  }
}

async function damage(ending: string, act: (file: string) => Promise<void>): Promise<void> {
  const names = (await readdir(path)).filter((name) => name.endsWith(ending) || name.startsWith(ending));
  expect(names).not.toEqual([]);
  for (const name of names) await act(join(path, name));
}

/** What the record holds after another start; `undefined` when it is gone. */
async function reopened(): Promise<string | undefined> {
  const { datastore, close, damage: found } = await open();
  const kept = (await datastore.has(key)) ? new TextDecoder().decode(await datastore.get(key)) : undefined;
  await close();
  expect(warnings.mock.calls.map(([message]) => message)).toEqual(found === undefined ? [] : [found.message]);
  return kept;
}

const codes = (): unknown[] => warnings.mock.calls.map(([, options]) => (options as { code: string }).code);
const overwrite = (file: string): Promise<void> => writeFile(file, 'nothing that a database knows');

describe('openDatastore()', () => {
  it('opens a folder again and again without a word', async () => {
    await fill(3);
    expect(await reopened()).toBe('kept');
    expect(codes()).toEqual([]);
  });

  it.each([
    ['the index is overwritten', 'CURRENT', overwrite],
    ['the index is gone', 'CURRENT', (file: string) => rm(file)],
    ['the manifest is gone', 'MANIFEST', (file: string) => rm(file)],
    ['the manifest is overwritten', 'MANIFEST', overwrite],
  ])('repairs it when %s, and loses nothing', async (_, ending, act) => {
    await fill(2);
    await damage(ending, act);
    expect(await reopened()).toBe('kept');
    expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
    expect(warnings.mock.lastCall?.[0]).toContain(`"${path}" was damaged (`);
    expect(warnings.mock.lastCall?.[0]).toContain(`"${path}/lost"`);
    expect(await readdir(folder)).toEqual(['store']);
    warnings.mockClear();
    expect(await reopened()).toBe('kept');
  });

  it.each(['CURRENT', 'MANIFEST', 'LOCK'])(
    'repairs it when a folder stands where %s must',
    async (ending) => {
      await fill(2);
      await damage(ending, async (file) => {
        await rm(file);
        await mkdir(join(file, 'within'), { recursive: true });
      });
      expect(await reopened()).toBe('kept');
      expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
      const moved = (await readdir(join(path, 'lost'))).filter((name) => name.startsWith(ending));
      expect(moved).toHaveLength(1);
      warnings.mockClear();
      expect(await reopened()).toBe('kept');
    },
  );

  it.each(['.log', '.ldb'])('says what is lost when a folder stands where a file %s must', async (ending) => {
    await fill(2);
    await damage(ending, async (file) => {
      await rm(file);
      await mkdir(file);
    });
    await reopened();
    expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
  });

  it('says what is lost when its log is gone, with all that was in no table yet', async () => {
    await fill();
    await damage('.log', (file) => rm(file));
    expect(await reopened()).toBeUndefined();
    expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
    expect(warnings.mock.lastCall?.[0]).toMatch(/its newest records, in log \d+, are gone/);
    warnings.mockClear();
    await reopened();
  });

  it('says what is lost when nothing is left but what LevelDB wrote for people', async () => {
    await fill();
    for (const name of await readdir(path)) if (!name.startsWith('LO')) await rm(join(path, name));
    expect(await reopened()).toBeUndefined();
    expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
    expect(warnings.mock.lastCall?.[0]).toContain('CURRENT is missing, and every record with it');
    warnings.mockClear();
    await reopened();
  });

  it('takes a folder in which nothing had begun for a new one', async () => {
    await mkdir(path);
    await writeFile(join(path, 'LOCK'), '');
    await writeFile(join(path, 'LOG'), '2026/01/02-03:04:05 1f Creating DB store since it was missing.\n');
    await reopened();
  });

  it('notices damage within the records when it starts, not when they are needed', async () => {
    await fill();
    await (await open()).close();
    await damage('.ldb', async (file) => truncate(file, (await stat(file)).size - 20));
    expect(await reopened()).toBeUndefined();
    expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
  });

  it('sets the folder aside when it cannot be repaired, and starts with an empty one', async () => {
    await fill(2);
    await damage('CURRENT', overwrite);
    // Neither a table can be read, nor another one written in its place.
    await mkdir(join(path, 'lost'));
    await damage('.ldb', async (file) => truncate(file, 10));
    const repair = vi.spyOn(await classic(), 'repair').mockRejectedValue(corruption());
    const { datastore, close } = await open();
    repair.mockRestore();
    expect(await datastore.has(key)).toBe(false);
    await datastore.put(key, value);
    await close();
    const aside = 'store.damaged-2026-01-02T030405.678Z';
    expect((await readdir(folder)).toSorted()).toEqual(['store', aside]);
    expect(await readFile(join(folder, aside, 'CURRENT'), 'utf8')).toContain('nothing');
    expect(codes()).toEqual(['LLOOM_DATASTORE_SET_ASIDE']);
    expect(warnings.mock.lastCall?.[0]).toContain(`Its files are now in "${join(folder, aside)}"`);
    expect(warnings.mock.lastCall?.[0]).toContain('without the bans');
    warnings.mockClear();
    expect(await reopened()).toBe('kept');
  });

  it('sets a folder aside as often as it takes', async () => {
    const repair = vi.spyOn(await classic(), 'repair').mockRejectedValue(corruption());
    for (let time = 0; time < 3; time++) {
      await fill();
      await damage('CURRENT', overwrite);
      await (await open()).close();
    }
    repair.mockRestore();
    const aside = 'store.damaged-2026-01-02T030405.678Z';
    expect((await readdir(folder)).toSorted()).toEqual(['store', aside, `${aside}-2`, `${aside}-3`]);
  });

  it('touches nothing when another has it open', async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({
      code: 'DATASTORE_FAILED',
      data: { path, reason: expect.stringContaining('already held by process') },
    });
    await first.close();
    expect(await readdir(folder)).toEqual(['store']);
    expect(codes()).toEqual([]);
  });

  it('touches nothing when the path is no folder', async () => {
    await writeFile(path, 'a file');
    await expect(open()).rejects.toMatchObject({ code: 'DATASTORE_FAILED' });
    expect(await readFile(path, 'utf8')).toBe('a file');
  });

  it('leaves the datastore that it is given to whoever opened it', async () => {
    const given = new MemoryDatastore();
    const { datastore, close } = await openDatastore(given, { path, isSynced: true, nowMs });
    await close();
    expect(datastore).toBe(given);
    const inMemory = await openDatastore(undefined, { path: undefined, isSynced: false, nowMs });
    expect(inMemory.datastore).toBeInstanceOf(MemoryDatastore);
  });
});

describe('a datastore that is synced', () => {
  it('writes to the disk what the own packages keep, and nothing else', async () => {
    const { datastore, close } = await open(true);
    const { db } = datastore as FolderDatastore;
    const calls: [string, boolean][] = [];
    for (const name of ['put', 'del', 'batch'] as const) {
      const act = vi.spyOn(db, name) as unknown as { mock: { calls: unknown[][] } };
      Object.defineProperty(calls, name, { get: () => act.mock.calls.map((args) => args.at(-1)) });
    }
    const other = new Key('/dht/record/x');
    await datastore.put(key, value);
    await datastore.put(other, value);
    await datastore.delete(key);
    await datastore.delete(other);
    const own = datastore.batch();
    own.put(other, value);
    own.put(key, value);
    own.delete(other);
    await own.commit();
    const foreign = datastore.batch();
    foreign.put(other, value);
    await foreign.commit();
    expect(calls).toMatchObject({
      put: [{ sync: true }, value],
      del: [{ sync: true }, other.toString()],
      batch: [{ sync: true }, { sync: false }],
    });
    expect(new TextDecoder().decode(await datastore.get(key))).toBe('kept');
    await close();
    expect(await reopened()).toBe('kept');
  });

  it('begins no write for who has given up', async () => {
    const { datastore, close } = await open(true);
    const signal = AbortSignal.abort();
    await expect(datastore.put(key, value, { signal })).rejects.toThrow('abort');
    await expect(datastore.delete(key, { signal })).rejects.toThrow('abort');
    const batch = datastore.batch();
    batch.put(key, value);
    await expect(batch.commit({ signal })).rejects.toThrow('abort');
    expect(await datastore.has(key)).toBe(false);
    await close();
  });
});

describe('isDamage()', () => {
  it.each([
    [corruption(), true],
    ['IO error: /x/MANIFEST-000002: No such file or directory', true],
    ['IO error: /x/000005.ldb: Invalid argument', true],
    ['IO error: /x/MANIFEST-000002: Is a directory', true],
    ['Invalid argument: leveldb.BytewiseComparatos: does not match existing comparator ', true],
    ['IO error: /x/LOCK: Permission denied', false],
    ['IO error: /x/000007.log: No space left on device', false],
    ['IO error: /x/000007.log: Input/output error', false],
    ['IO error: lock /x/LOCK: already held by process', false],
    ["EACCES: permission denied, mkdir '/x'", false],
  ])('reads %s', (error, expected) => {
    const cause = typeof error === 'string' ? new Error(error) : error;
    expect(isDamage(new Error('Database failed to open', { cause }))).toBe(expected);
    expect(isDamage(cause)).toBe(expected);
  });

  it('knows no damage from what is no error', () => {
    expect(isDamage(undefined)).toBe(false);
  });
});

function corruption(): Error {
  return Object.assign(new Error('Corruption: it is'), { code: 'LEVEL_CORRUPTION' });
}

async function classic(): Promise<{ repair(path: string): Promise<void> }> {
  return (await import('classic-level')).ClassicLevel;
}
