import { resolve } from 'node:path';
import { MemoryDatastore } from 'datastore-core/memory';
import type { Datastore } from 'interface-datastore';
import { errorText } from '@lloom/core';
import { BehaviourError } from '../errors.ts';
import { causeOf } from './levelDamage.ts';

/** A datastore that is open, and how to close it. */
export interface OpenDatastore {
  readonly datastore: Datastore;
  /** What was wrong with it, and what was done; absent when nothing was. The process was warned of it already. */
  readonly damage?: { readonly message: string; readonly error: Error };
  readonly close: () => Promise<void>;
}

/** Where a datastore is, and how it is written. */
export interface DatastorePlace {
  /** A folder. Absent: it is kept in memory. */
  readonly path: string | undefined;
  /** Whether what the node's own packages write is on the disk when they are told so. */
  readonly isSynced: boolean;
  /** Wall time, in ms since 1970: a damaged folder is named after it. */
  readonly nowMs: number;
}

const closeNothing = (): Promise<void> => Promise.resolve();

/**
 * Opens the datastore of a node: the one it was given, a folder, or memory.
 *
 * A folder whose files are damaged is repaired, and set aside when that fails; the process is then warned, with the code
 * `LLOOM_DATASTORE_REPAIRED` or `LLOOM_DATASTORE_SET_ASIDE`. A repair may lose used nonces, so that whatever was signed before is
 * refused afterwards, also when the process ends in the midst of it.
 *
 * @throws {BehaviourError} `DATASTORE_FAILED`
 */
export async function openDatastore(
  given: Datastore | undefined,
  place: DatastorePlace,
): Promise<OpenDatastore> {
  const { path, isSynced, nowMs } = place;
  if (given !== undefined) return { datastore: given, close: closeNothing };
  if (path === undefined) return { datastore: new MemoryDatastore(), close: closeNothing };
  try {
    // LevelDB is loaded by nodes that keep things alone.
    const { openFolder } = await import('./datastoreFolder.ts');
    return await openFolder(resolve(path), { isSynced, nowMs });
  } catch (error) {
    throw new BehaviourError(
      'DATASTORE_FAILED',
      { path, reason: errorText(causeOf(error)) },
      { cause: error },
    );
  }
}
