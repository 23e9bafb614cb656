import type { PeersStore, StoredPeers, StoredValues } from '../ports.ts';
import { noStore } from './peersStore.ts';

type Kind = keyof StoredValues;

/** A store that is known to be read or not. */
export interface StoreToRead extends PeersStore {
  /** Whether it is known what the store holds. Until then it may hold anything of any peer. */
  readonly isRead: boolean;
}

/** A store, and what is deleted before it is read: what is read late does not bring it back. */
export class UnreadStore implements StoreToRead {
  readonly #store: PeersStore;
  /** By kind and peer; `undefined` when the store is read. */
  #deleted: Set<string> | undefined;

  constructor(store: PeersStore) {
    this.#store = store;
    this.#deleted = store === noStore ? undefined : new Set();
  }

  get isRead(): boolean {
    return this.#deleted === undefined;
  }

  load(): Promise<StoredPeers> {
    return this.#store.load();
  }

  /**
   * What was loaded, without what was deleted since. From now on the store is read: whoever calls this takes the result in before
   * anything else happens.
   */
  read(loaded: StoredPeers): StoredPeers {
    const deleted = this.#deleted ?? new Set();
    this.#deleted = undefined;
    const left = <K extends Kind>(kind: K): ReadonlyMap<string, StoredValues[K]> =>
      new Map([...loaded[kind]].filter(([peerId]) => !deleted.has(keyOf(kind, peerId))));
    return {
      ban: left('ban'),
      maintained: left('maintained'),
      addresses: left('addresses'),
      reputation: left('reputation'),
    };
  }

  put<K extends Kind>(kind: K, peerId: string, value: StoredValues[K]): Promise<void> {
    return this.#store.put(kind, peerId, value);
  }

  delete(kind: Kind, peerId: string): Promise<void> {
    this.#deleted?.add(keyOf(kind, peerId));
    return this.#store.delete(kind, peerId);
  }

  settled(): Promise<void> {
    return this.#store.settled();
  }
}

const keyOf = (kind: Kind, peerId: string): string => `${kind} ${peerId}`;
