import files, { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { Key } from 'interface-datastore';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDatastore, type OpenDatastore } from './datastore.ts';

const { rename: move } = files;
const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const aside = 'damaged-2026-01-02T030405.678Z';
const key = new Key('/lloom/peers/ban/peer');

let folder: string;
let path: string;
const warnings = vi.spyOn(process, 'emitWarning');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-aside-'));
  path = join(folder, 'store');
  warnings.mockReset().mockImplementation(() => undefined);
});

afterEach(async () => {
  moveBy(move);
  await rm(folder, { recursive: true });
});

const open = (): Promise<OpenDatastore> => openDatastore(undefined, { path, isSynced: false, nowMs });
const codes = (): unknown[] => warnings.mock.calls.map(([, options]) => (options as { code: string }).code);

/** Has files moved so, also by modules that are loaded already. */
function moveBy(rename: typeof move): void {
  files.rename = rename;
  syncBuiltinESMExports();
}

/** Moving the folder itself fails as at a mount point; files in it are moved, as long as they may. */
function refuseMoving(code: string, mayMove: (file: string) => boolean = () => true): void {
  moveBy(async (from, to) => {
    if (from === path || !mayMove(String(from))) throw Object.assign(new Error(code), { code });
    return move(from, to);
  });
}

async function fill(value: string): Promise<void> {
  const { datastore, close } = await open();
  await datastore.put(key, new TextEncoder().encode(value));
  await close();
}

async function kept(): Promise<string | undefined> {
  const { datastore, close } = await open();
  const value = (await datastore.has(key)) ? new TextDecoder().decode(await datastore.get(key)) : undefined;
  await close();
  return value;
}

const overwriteIndex = (): Promise<void> => writeFile(join(path, 'CURRENT'), 'nothing');

/** Opens a datastore that is damaged beyond repair. */
async function openDamaged(): Promise<void> {
  await overwriteIndex();
  const corruption = Object.assign(new Error('Corruption: it is'), { code: 'LEVEL_CORRUPTION' });
  const repair = vi.spyOn(ClassicLevel, 'repair').mockRejectedValue(corruption);
  try {
    await (await open()).close();
  } finally {
    repair.mockRestore();
  }
}

describe('a damaged datastore in a folder that cannot be renamed', () => {
  it.each(['EBUSY', 'EXDEV', 'EACCES', 'EPERM', 'EROFS'])(
    'is set aside within the folder, and the node starts (%s)',
    async (code) => {
      await fill('old');
      await mkdir(join(path, 'lost+found'));
      refuseMoving(code);
      await openDamaged();
      expect(codes()).toEqual(['LLOOM_DATASTORE_SET_ASIDE']);
      expect(warnings.mock.lastCall?.[0]).toContain(`Its files are now in "${join(path, aside)}"`);
      expect(await readFile(join(path, aside, 'CURRENT'), 'utf8')).toBe('nothing');
      expect(await readdir(folder)).toEqual(['store']);
      expect(await readdir(path)).toContain('lost+found');
      warnings.mockClear();
      expect(await kept()).toBeUndefined();
      await fill('new');
      expect(await kept()).toBe('new');
      expect(codes()).toEqual([]);
    },
  );

  it('is repaired or set aside again, and what was set aside before stays as it was', async () => {
    refuseMoving('EBUSY');
    await fill('first');
    await openDamaged();
    const first = (await readdir(join(path, aside))).toSorted();
    await fill('second');
    await overwriteIndex();
    expect(await kept()).toBe('second');
    await openDamaged();
    expect(codes()).toEqual([
      'LLOOM_DATASTORE_SET_ASIDE',
      'LLOOM_DATASTORE_REPAIRED',
      'LLOOM_DATASTORE_SET_ASIDE',
    ]);
    expect((await readdir(join(path, aside))).toSorted()).toEqual(first);
    expect(await readdir(join(path, `${aside}-2`))).toContain('lost');
    warnings.mockClear();
    expect(await kept()).toBeUndefined();
    expect(codes()).toEqual([]);
  });

  it.each([
    ['its index', /CURRENT$/],
    ['its manifest', /MANIFEST-\d+$/],
    ['its tables and logs', /\d+\.(?:ldb|log)$/],
  ])('starts with a warning, too, after an end before %s had been moved', async (_, pattern) => {
    await fill('old');
    await fill('old');
    refuseMoving('EBUSY', (file) => !pattern.test(file));
    await expect(openDamaged()).rejects.toMatchObject({ code: 'DATASTORE_FAILED' });
    moveBy(move);
    expect(await readdir(path)).toContain('REPAIRING');
    expect(codes()).toEqual([]);
    expect(await kept()).toBe('old');
    expect(codes()).toEqual(['LLOOM_DATASTORE_REPAIRED']);
    expect(await readdir(path)).not.toContain('REPAIRING');
  });
});
