import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { errorText } from '@lloom/core';
import { doubtNonces } from '@lloom/identity';
import type { DatastorePlace, OpenDatastore } from './datastore.ts';
import { checkUnlocked, FolderDatastore } from './level.ts';
import { causeOf, isDamage } from './levelDamage.ts';
import { disarmFiles, filesDamage } from './levelFiles.ts';
import { beginRepair, endRepair, isBeingRepaired } from './repairMark.ts';
import { setAside } from './setAside.ts';

/**
 * Opens a folder, and repairs it or sets it aside when it is damaged.
 * @throws what the database says, where it is not damage
 */
export async function openFolder(
  path: string,
  { isSynced, nowMs }: Omit<DatastorePlace, 'path'>,
): Promise<OpenDatastore> {
  const damage = await filesDamage(path);
  if (damage?.needsRepair === false) {
    // LevelDB leaves out what is damaged or gone as soon as it is opened.
    await checkUnlocked(path);
    await beginRepair(path);
  }
  const found = damage?.needsRepair === true ? new Error(damage.why) : await openSound(path, isSynced);
  if (found instanceof FolderDatastore) {
    if (await isBeingRepaired(path)) await forgetNonces(path, found);
    if (damage === undefined) return opened(found);
    return opened(found, warn('LLOOM_DATASTORE_REPAIRED', repairedText(path, new Error(damage.why))));
  }
  await checkUnlocked(path);
  await beginRepair(path);
  if (damage !== undefined) await disarmFiles(path, damage);
  const repaired = (await isRepaired(path)) ? await openSound(path, isSynced) : undefined;
  if (repaired instanceof FolderDatastore) {
    await forgetNonces(path, repaired);
    return opened(repaired, warn('LLOOM_DATASTORE_REPAIRED', repairedText(path, found)));
  }
  const aside = await setAside(path, nowMs);
  const empty = await openSound(path, isSynced);
  if (!(empty instanceof FolderDatastore)) throw empty;
  const message =
    `The datastore "${path}" is damaged (${errorText(found)}) and could not be repaired. Its files are now in "${aside}", and ` +
    'the node starts with an empty one: without the bans, known peers, reputations, accepted requests and used nonces in it.';
  return opened(empty, warn('LLOOM_DATASTORE_SET_ASIDE', { message, error: found }));
}

/** Some may be gone: the guard of used nonces must not take the others for all. */
async function forgetNonces(path: string, datastore: FolderDatastore): Promise<void> {
  try {
    await doubtNonces(datastore);
    await endRepair(path);
  } catch (error) {
    await datastore.close();
    throw error;
  }
}

function repairedText(path: string, error: Error): NonNullable<OpenDatastore['damage']> {
  const message =
    `The datastore "${path}" was damaged (${errorText(error)}) and is repaired. Records that could not be read are gone: they ` +
    `may be bans, known peers, reputations, accepted requests and used nonces. Files of no use are in "${join(path, 'lost')}".`;
  return { message, error };
}

/** Opens a folder and reads over it; gives the damage when there is some. @throws for any other reason */
async function openSound(path: string, isSynced: boolean): Promise<FolderDatastore | Error> {
  const datastore = new FolderDatastore(path, isSynced);
  try {
    await datastore.open();
    await datastore.probe();
    return datastore;
  } catch (error) {
    await datastore.close().catch(() => undefined);
    if (!isDamage(error)) throw error;
    return causeOf(error);
  }
}

/** Lets LevelDB make what it can of the files. @throws when not the files are to blame */
async function isRepaired(path: string): Promise<boolean> {
  try {
    await ClassicLevel.repair(path);
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

function warn(code: string, damage: NonNullable<OpenDatastore['damage']>): typeof damage {
  process.emitWarning(damage.message, { type: 'LloomWarning', code });
  return damage;
}

function opened(datastore: FolderDatastore, damage?: OpenDatastore['damage']): OpenDatastore {
  return { datastore, close: async () => datastore.close(), ...(damage !== undefined && { damage }) };
}
