import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { draw } from '@lloom/core';
import { Key } from 'interface-datastore';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openDatastore } from '../src/adapters/datastore.ts';

const records = 300;
const valueOf = (index: number): Uint8Array => new Uint8Array(64).fill(index);
const keyOf = (index: number): Key => new Key(`/lloom/peers/ban/${index}`);

let folder: string;
let sound: string;
const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-damage-'));
  sound = join(folder, 'sound');
  for (let part = 0; part < 3; part++) {
    const { datastore, close } = await open(sound);
    const end = ((part + 1) * records) / 3;
    for (let index = (part * records) / 3; index < end; index++)
      await datastore.put(keyOf(index), valueOf(index));
    await close();
  }
});

afterAll(async () => {
  warnings.mockRestore();
  await rm(folder, { recursive: true });
});

const open = (path: string) => openDatastore(undefined, { path, isSynced: false, nowMs: 0 });

/** Numbers from 0 up to a limit, the same for a seed. */
function chances(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    const { chance, seed: next } = draw(state);
    state = next;
    return Math.floor(chance * limit);
  };
}

/** Cuts one of the files, or flips some of its bits. */
async function damage(path: string, chance: (limit: number) => number): Promise<string> {
  const names = (await readdir(path)).filter((name) => !name.startsWith('LO')).toSorted();
  const name = names[chance(names.length)]!;
  const file = join(path, name);
  const bytes = await readFile(file);
  if (chance(3) === 0) {
    const length = chance(bytes.length);
    await truncate(file, length);
    return `${name} cut to ${length}`;
  }
  const flips = 1 + chance(4) ** 3;
  for (let flip = 0; flip < flips && bytes.length > 0; flip++) bytes[chance(bytes.length)]! ^= 1 << chance(8);
  await writeFile(file, bytes);
  return `${flips} bits flipped in ${name}`;
}

it.each(Array.from({ length: 36 }, (_, seed) => seed))(
  'a datastore with damaged files opens, and gives no value that was never put (seed %i)',
  async (seed) => {
    const path = join(folder, `case ${seed}`);
    await cp(sound, path, { recursive: true });
    const what = await damage(path, chances(seed));
    warnings.mockClear();
    const { datastore, close } = await open(path);
    let kept = 0;
    for await (const { key, value } of datastore.query({ prefix: '/lloom/' })) {
      kept++;
      const index = Number(key.toString().slice('/lloom/peers/ban/'.length));
      expect([what, new Uint8Array(value)]).toEqual([what, valueOf(index)]);
    }
    await datastore.put(keyOf(0), valueOf(0));
    await close();
    // A log that ends early may have been written when the process ended.
    const isTold = warnings.mock.calls.length === 1 || /\.log cut/.test(what);
    expect([what, isTold || kept === records]).toEqual([what, true]);
    await rm(path, { recursive: true });
  },
);
