import { access, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { disarm, filesOf, logContent, tableDamage, type LiveFiles, type TableDamage } from './levelFormat.ts';

/** What was found in the files of a datastore. */
export interface FilesDamage {
  /** What is wrong first of all. */
  readonly why: string;
  /** False when LevelDB leaves out by itself what is damaged: in its log, or a log or all that is gone. */
  readonly needsRepair: boolean;
  /** By the name of the file. */
  readonly tables: ReadonlyMap<string, TableDamage>;
  /** Names of folders that stand where files must. */
  readonly folders: readonly string[];
}

const tableName = /^(\d+)\.(?:ldb|sst)$/;
const logName = /^(\d+)\.log$/;
const fileName = /^(?:CURRENT|LOCK|MANIFEST-\d+|\d+\.(?:ldb|sst|log|dbtmp))$/;

/**
 * What is wrong with the files in a folder; `undefined` when nothing is, or there are none. Only reads.
 *
 * LevelDB's own checksums of tables are not looked at when they are read, and what is read then can end the process. So they
 * are looked at here, before anything is opened: some ms for each MB.
 */
export async function filesDamage(path: string): Promise<FilesDamage | undefined> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const names = entries.map(({ name }) => name).filter((name) => !folders.includes(name));
  const wrong = folders.filter((name) => fileName.test(name));
  const tableNames = names.filter((name) => tableName.test(name));
  const logNames = names.filter((name) => logName.test(name));
  const live = await liveFiles(path, names);
  const isLost = typeof live === 'string';
  const candidates = isLost
    ? tableNames
    : tableNames.filter((name) => live.tables.has(numberOf(name, tableName)));
  const tables = new Map<string, TableDamage>();
  for (const name of candidates) {
    const bytes = await bytesOf(join(path, name));
    const damage = bytes && tableDamage(bytes);
    if (damage !== undefined) tables.set(name, damage);
  }
  const [table] = tables.keys();
  const found = (why: string, needsRepair: boolean): FilesDamage => ({
    why,
    needsRepair,
    tables,
    folders: wrong,
  });
  if (wrong.length > 0) return found(`${wrong[0]} is a folder`, true);
  // Where there are no records, nothing is lost: a process ended before it had begun.
  if (isLost && (tableNames.length > 0 || (await someHaveContent(path, logNames)))) return found(live, true);
  if (isLost) return (await wasUsed(path)) ? found(`${live}, and every record with it`, false) : undefined;
  if (table !== undefined) return found(`checksums in ${table} are wrong`, true);
  for (const name of logNames) {
    const bytes = await bytesOf(join(path, name));
    if (bytes !== undefined && !logContent(bytes).isSound)
      return found(`checksums in ${name} are wrong`, false);
  }
  const isLogThere = live.log === 0 || logNames.some((name) => numberOf(name, logName) === live.log);
  return isLogThere ? undefined : found(`its newest records, in log ${live.log}, are gone`, false);
}

const numberOf = (name: string, pattern: RegExp): number => Number(pattern.exec(name)?.[1]);

/** Readies the files for LevelDB's repair: nothing is left that would end the process. */
export async function disarmFiles(path: string, { folders, tables }: FilesDamage): Promise<void> {
  const lost = join(path, 'lost');
  if (folders.length > 0) await mkdir(lost, { recursive: true });
  for (const name of folders) await rename(join(path, name), await freeName(join(lost, name)));
  for (const [name, damage] of tables) {
    const file = join(path, name);
    if (damage.isReadable) {
      const bytes = await readFile(file);
      disarm(bytes, damage);
      await writeFile(file, bytes);
    } else {
      await mkdir(lost, { recursive: true });
      await rename(file, await freeName(join(lost, name)));
    }
  }
}

/** A path at which nothing is: the given one, or the same with a number. */
export async function freeName(path: string): Promise<string> {
  let free = path;
  for (let count = 2; await isThere(free); count++) free = `${path}-${count}`;
  return free;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The files that hold what there is; in words what is wrong when that cannot be known. */
async function liveFiles(path: string, names: readonly string[]): Promise<LiveFiles | string> {
  if (!names.includes('CURRENT')) return 'its file CURRENT is missing';
  const current = String(await bytesOf(join(path, 'CURRENT')));
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (name === undefined) return 'its file CURRENT is damaged';
  const manifest = await bytesOf(join(path, name));
  if (manifest === undefined) return `its file ${name} is missing`;
  return filesOf(manifest) ?? `its file ${name} is damaged`;
}

/** Whether LevelDB had done more than to begin, by its journal, which is no part of the data. */
async function wasUsed(path: string): Promise<boolean> {
  for (const name of ['LOG', 'LOG.old']) {
    const lines = String((await bytesOf(join(path, name))) ?? '').split('\n');
    if (lines.some((line) => line !== '' && !line.includes('Creating DB'))) return true;
  }
  return false;
}

/** `undefined` when no file is there, or not any more. */
async function bytesOf(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'EISDIR') return undefined;
    throw error;
  }
}

async function someHaveContent(path: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) if (((await bytesOf(join(path, name)))?.length ?? 0) > 0) return true;
  return false;
}
