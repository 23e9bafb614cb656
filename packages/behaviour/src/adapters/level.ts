import { ClassicLevel } from 'classic-level';
import { LevelDatastore } from 'datastore-level';
import type { Batch, Key } from 'interface-datastore';
import { causeOf } from './levelDamage.ts';

/** Keys of the node's own packages begin so: bans, used nonces, accepted requests. The others are libp2p's. */
const ownPrefix = '/lloom/';
/** What is read when a node starts. */
const readPrefixes = [ownPrefix, '/peers/'];

/** A datastore in a folder. */
export class FolderDatastore extends LevelDatastore {
  readonly #isSynced: boolean;

  /** @param isSynced whether what the node's own packages write is on the disk when they are told so */
  constructor(path: string, isSynced: boolean) {
    super(path);
    this.#isSynced = isSynced;
  }

  /** As the parent, but says why not: `cause` and `code` are those of the database. */
  override async open(): Promise<void> {
    await this.db.open({ createIfMissing: true, compression: false });
  }

  override async put(key: Key, value: Uint8Array, options?: { signal?: AbortSignal }): Promise<Key> {
    if (!this.#isOwn(key)) return super.put(key, value, options);
    options?.signal?.throwIfAborted();
    await this.db.put(key.toString(), value, { sync: true });
    return key;
  }

  override async delete(key: Key, options?: { signal?: AbortSignal }): Promise<void> {
    if (!this.#isOwn(key)) return super.delete(key, options);
    options?.signal?.throwIfAborted();
    await this.db.del(key.toString(), { sync: true });
  }

  override batch(): Batch {
    if (!this.#isSynced) return super.batch();
    const writes: ({ type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string })[] = [];
    let sync = false;
    const note = (key: Key): string => {
      sync ||= this.#isOwn(key);
      return key.toString();
    };
    return {
      put: (key, value) => void writes.push({ type: 'put', key: note(key), value }),
      delete: (key) => void writes.push({ type: 'del', key: note(key) }),
      commit: async (options) => {
        options?.signal?.throwIfAborted();
        await this.db.batch(writes.splice(0), { sync });
      },
    };
  }

  /** Reads over what a start needs. @throws what the database does where it cannot be read */
  async probe(): Promise<void> {
    for (const prefix of readPrefixes) {
      for await (const _ of this.queryKeys({ prefix }));
    }
  }

  #isOwn(key: Key): boolean {
    return this.#isSynced && key.toString().startsWith(ownPrefix);
  }
}

/** @throws what LevelDB does when another process, or another part of this one, has the folder open */
export async function checkUnlocked(path: string): Promise<void> {
  const database = new ClassicLevel(path);
  try {
    // It is locked before it is refused because it is there, or is not, and nothing is read.
    await database.open({ createIfMissing: false, errorIfExists: true });
  } catch (error) {
    if ((causeOf(error) as { code?: unknown }).code === 'LEVEL_LOCKED') throw error;
  } finally {
    await database.close();
  }
}
