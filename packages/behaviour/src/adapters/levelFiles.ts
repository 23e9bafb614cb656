import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { disarm, logContent, tableDamage, tablesOf, type TableDamage } from './levelFormat.ts';

/** What was found in the files of a datastore. */
export interface FilesDamage {
  /** What is wrong first of all. */
  readonly why: string;
  /** False when LevelDB leaves out by itself what is damaged: in its log. */
  readonly needsRepair: boolean;
  /** By the name of the file. */
  readonly tables: ReadonlyMap<string, TableDamage>;
}

const tableName = /^(\d+)\.(?:ldb|sst)$/;
const logName = /^\d+\.log$/;

/**
 * What is wrong with the files in a folder; `undefined` when nothing is, or there are none. Only reads.
 *
 * LevelDB's own checksums of tables are not looked at when they are read, and what is read then can end the process. So they
 * are looked at here, before anything is opened: some ms for each MB.
 */
export async function filesDamage(path: string): Promise<FilesDamage | undefined> {
  const names = await readdir(path).catch(() => []);
  const tableNames = names.filter((name) => tableName.test(name));
  const logNames = names.filter((name) => logName.test(name));
  const live = await liveTables(path, names);
  const isLost = typeof live === 'string';
  const candidates = isLost
    ? tableNames
    : tableNames.filter((name) => live.has(Number(tableName.exec(name)?.[1])));
  const tables = new Map<string, TableDamage>();
  for (const name of candidates) {
    const bytes = await bytesOf(join(path, name));
    const damage = bytes && tableDamage(bytes);
    if (damage !== undefined) tables.set(name, damage);
  }
  const [table] = tables.keys();
  // Where there are no records, nothing is lost: a process ended before it had begun.
  if (isLost && (tableNames.length > 0 || (await someHaveContent(path, logNames))))
    return { why: live, needsRepair: true, tables };
  if (table !== undefined) return { why: `checksums in ${table} are wrong`, needsRepair: true, tables };
  for (const name of logNames) {
    const bytes = await bytesOf(join(path, name));
    if (bytes !== undefined && !logContent(bytes).isSound)
      return { why: `checksums in ${name} are wrong`, needsRepair: false, tables };
  }
  return undefined;
}

/** Readies the files for LevelDB's repair: nothing is left that would end the process. */
export async function disarmFiles(path: string, { tables }: FilesDamage): Promise<void> {
  for (const [name, damage] of tables) {
    const file = join(path, name);
    if (damage.isReadable) {
      const bytes = await readFile(file);
      disarm(bytes, damage);
      await writeFile(file, bytes);
    } else {
      await mkdir(join(path, 'lost'), { recursive: true });
      await rename(file, join(path, 'lost', name));
    }
  }
}

/** The tables that hold what there is; in words what is wrong when that cannot be known. */
async function liveTables(path: string, names: readonly string[]): Promise<ReadonlySet<number> | string> {
  if (!names.includes('CURRENT')) return 'its file CURRENT is missing';
  const current = String(await bytesOf(join(path, 'CURRENT')));
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (name === undefined) return 'its file CURRENT is damaged';
  const manifest = await bytesOf(join(path, name));
  if (manifest === undefined) return `its file ${name} is missing`;
  return tablesOf(manifest) ?? `its file ${name} is damaged`;
}

/** `undefined` when the file is not there, or not any more. */
async function bytesOf(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function someHaveContent(path: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) if (((await bytesOf(join(path, name)))?.length ?? 0) > 0) return true;
  return false;
}
