import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReplayGuard } from '@lloom/identity';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openDatastore } from '../src/adapters/datastore.ts';

const signer = `0x${'a'.repeat(40)}` as const;
const [begin, end] = [1_000_000, 2_000_000];
let folder: string;
let path: string;
let nowMs: number;
let count: number;
const clock = { now: () => nowMs, elapsed: () => nowMs, setTimeout: () => 0, clearTimeout: () => undefined };
vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-nonces-'));
  path = join(folder, 'store');
  [nowMs, count] = [begin, 0];
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const nextNonce = (): `0x${string}` => `0x${String(++count).padStart(64, '0')}`;

/** Uses a nonce that was never used, of an envelope that was signed then, at the next start of the node. */
async function useAtStart(timestampMs: number): Promise<string> {
  const place = { path, isSynced: false, nowMs };
  const { datastore, close } = await openDatastore(undefined, place);
  const replayGuard = await createReplayGuard({ datastore, clock, startMarginMs: 0 });
  try {
    await replayGuard.admit({ signer, nonce: nextNonce(), timestampMs, expiresMs: end });
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await replayGuard.close();
    await close();
  }
}

/** Flips a bit near the beginning of each of some files. */
async function damage(pattern: RegExp): Promise<void> {
  const names = (await readdir(path)).filter((name) => pattern.test(name));
  expect(names).not.toEqual([]);
  for (const name of names) {
    const bytes = await readFile(join(path, name));
    bytes[8]! ^= 1;
    await writeFile(join(path, name), bytes);
  }
}

for (const [what, pattern] of [
  ['its index', /^CURRENT$/],
  ['its log', /\.log$/],
  ['its tables', /\.ldb$/],
] as const) {
  it(`a datastore that was repaired because of ${what} lets nothing pass that was signed before`, async () => {
    expect(await useAtStart(begin)).toBe('taken');
    nowMs += 10;
    expect(await useAtStart(begin)).toBe('taken');
    await damage(pattern);
    nowMs += 10;
    expect(await useAtStart(begin)).toBe('OLDER_THAN_START');
    expect(await useAtStart(nowMs)).toBe('taken');
    expect(await readdir(path)).not.toContain('REPAIRING');
  });
}

it('nor does one whose repair ended before that was noted', async () => {
  expect(await useAtStart(begin)).toBe('taken');
  await writeFile(join(path, 'REPAIRING'), '');
  nowMs += 10;
  expect(await useAtStart(begin)).toBe('OLDER_THAN_START');
  expect(await useAtStart(nowMs)).toBe('taken');
});

it('a datastore that is damaged and open elsewhere is left as it is', async () => {
  expect(await useAtStart(begin)).toBe('taken');
  const { close } = await openDatastore(undefined, { path, isSynced: false, nowMs });
  await damage(/\.log$/);
  await expect(openDatastore(undefined, { path, isSynced: false, nowMs })).rejects.toMatchObject({
    code: 'DATASTORE_FAILED',
  });
  expect(await readdir(path)).not.toContain('REPAIRING');
  await close();
});
