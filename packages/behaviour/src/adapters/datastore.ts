import { MemoryDatastore } from 'datastore-core';
import { LevelDatastore } from 'datastore-level';
import type { Datastore } from 'interface-datastore';
import { errorText } from '@lloom/core';
import { BehaviourError } from '../errors.ts';

/** A datastore that is open, and how to close it. */
export interface OpenDatastore {
  readonly datastore: Datastore;
  close(): Promise<void>;
}

const closeNothing = (): Promise<void> => Promise.resolve();

/**
 * Opens the datastore of a node: the one it was given, a folder, or memory.
 * @throws {BehaviourError} `DATASTORE_FAILED`
 */
export async function openDatastore(
  path: string | undefined,
  given: Datastore | undefined,
): Promise<OpenDatastore> {
  if (given !== undefined) return { datastore: given, close: closeNothing };
  if (path === undefined) return { datastore: new MemoryDatastore(), close: closeNothing };
  const datastore = new LevelDatastore(path);
  try {
    await datastore.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new BehaviourError('DATASTORE_FAILED', { path, reason: errorText(cause) }, { cause: error });
  }
  return { datastore, close: async () => datastore.close() };
}
