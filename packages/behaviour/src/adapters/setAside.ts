import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { freeName } from './levelFiles.ts';
import { markName } from './repairMark.ts';

/** What LevelDB and its repair write in a folder; a volume may hold more, such as `lost+found`. */
const databaseName = /^(?:CURRENT|LOCK|LOG(?:\.old)?|MANIFEST-\d+|\d+\.(?:ldb|sst|log|dbtmp)|lost)$/;

/**
 * Moves a damaged datastore out of the way: the folder itself to `<path>.damaged-<time>`, or its files to `damaged-<time>` within
 * it where the folder cannot be renamed, such as a mount point, or in a parent that may not be written.
 *
 * @returns where the files are now
 * @throws what the system does when they can be moved neither way
 */
export async function setAside(path: string, nowMs: number): Promise<string> {
  const name = `damaged-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
  const beside = await freeName(`${path}.${name}`);
  try {
    await rename(path, beside);
    return beside;
  } catch {
    const within = await freeName(join(path, name));
    await moveFiles(path, within);
    return within;
  }
}

async function moveFiles(path: string, folder: string): Promise<void> {
  await mkdir(folder);
  const names = (await readdir(path)).filter((name) => databaseName.test(name));
  // Tables and logs come last: while one is there, a start after an end in the midst of this finds that the others are gone.
  for (const name of names.toSorted().toReversed()) await rename(join(path, name), join(folder, name));
  // The mark stands until nothing is left whose nonces could be taken for all.
  await rename(join(path, markName), join(folder, markName));
}
