import { MemoryDatastore } from 'datastore-core';
import type { Datastore, Key } from 'interface-datastore';

/** What a host keeps over a restart. */
export class Disk extends MemoryDatastore {
  #isFrozen = false;

  /** From now on nothing is written: the process is dead, whatever its code still does. */
  freeze(): void {
    this.#isFrozen = true;
  }

  override put(key: Key, value: Uint8Array): Key {
    return this.#isFrozen ? key : (super.put(key, value) as Key);
  }

  override delete(key: Key): void {
    if (!this.#isFrozen) void super.delete(key);
  }

  /** A disk with what this one holds. */
  async copy(): Promise<Disk> {
    const copy = new Disk();
    for await (const { key, value } of (this as Datastore).query({})) copy.put(key, value);
    return copy;
  }
}
