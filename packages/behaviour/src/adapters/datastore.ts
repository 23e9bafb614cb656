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

/**
 * Opens the datastore of a node: a folder, or memory without a path.
 * @throws {BehaviourError} `DATASTORE_FAILED`
 */
export async function openDatastore(path: string | undefined): Promise<OpenDatastore> {
  if (path === undefined) return { datastore: new MemoryDatastore(), close: () => Promise.resolve() };
  const datastore = new LevelDatastore(path);
  try {
    await datastore.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new BehaviourError('DATASTORE_FAILED', { path, reason: errorText(cause) }, { cause: error });
  }
  return { datastore, close: async () => datastore.close() };
}
