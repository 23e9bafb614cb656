/** Whose datastore it is, and where the DHT keeps its things in it. */
export interface DhtDatastoreConfig {
  /** The own peer id: what this node provides itself is always kept. */
  readonly ownPeerId: string;
  /** The `datastorePrefix` of `kadDHT()`. @default '/dht' - that of kad-dht */
  readonly dhtPrefix?: string;
}

/** What of the DHT is kept, and what was not, since the datastore was made. */
export interface DhtDatastoreStats {
  /** Keys that peers provide, once for each peer. */
  readonly providers: number;
  /** Values that peers put. */
  readonly records: number;
  /** What those take, in bytes. */
  readonly recordBytes: number;
  /** Writes that were not done. */
  readonly dropped: number;
  /** Entries that made room for others. */
  readonly evicted: number;
}

/** Keys that one peer may provide: a thousand models, each on a few shards. */
const maxKeysPerProvider = 4_096;
/** Provided keys of all peers; some 13 MB in memory, and less on disk. */
const maxProviders = 65_536;
const maxRecords = 1_024;
const maxRecordBytes = 8 * 1024 * 1024;
/** A key of the DHT is a hash, which has less than half of that. Others name anything, up to 4 MiB. */
const maxKeyLength = 256;
/** A time in ms as a varint takes 6 bytes. */
const maxProviderBytes = 16;

/** What may be written, and what has to go for it. */
export interface Verdict {
  readonly isKept: boolean;
  /** Deleted first. */
  readonly evicted: readonly string[];
}

const kept: Verdict = { isKept: true, evicted: [] };
const dropped: Verdict = { isKept: false, evicted: [] };

/** Counts what the DHT of this node holds, and says what it may write. Knows keys by their text. */
export class DhtQuota {
  readonly #ownPeerId: string;
  readonly #providerPrefix: string;
  readonly #recordPrefix: string;
  readonly #providers = new Map<string, Set<string>>();
  /** The size of each record; those written longest ago come first. */
  readonly #records = new Map<string, number>();
  #providerCount = 0;
  #recordBytes = 0;
  dropped = 0;
  evicted = 0;

  constructor({ ownPeerId, dhtPrefix = '/dht' }: DhtDatastoreConfig) {
    this.#ownPeerId = ownPeerId;
    this.#providerPrefix = `${dhtPrefix}/provider/`;
    this.#recordPrefix = `${dhtPrefix}/record/`;
  }

  /** Where the keys that peers provide stand, and where records do. */
  get prefixes(): { readonly providers: string; readonly records: string } {
    return { providers: this.#providerPrefix, records: this.#recordPrefix };
  }

  /** How many entries are counted, of both kinds. */
  get size(): number {
    return this.#providerCount + this.#records.size;
  }

  get stats(): DhtDatastoreStats {
    const { dropped: drops, evicted: evictions } = this;
    const [providers, records] = [this.#providerCount, this.#records.size];
    return { providers, records, recordBytes: this.#recordBytes, dropped: drops, evicted: evictions };
  }

  /** Whether it belongs to the DHT. */
  covers(key: string): boolean {
    return key.startsWith(this.#providerPrefix) || key.startsWith(this.#recordPrefix);
  }

  /** Counts a write, unless there is no room for it. */
  add(key: string, bytes: number): Verdict {
    const verdict = key.startsWith(this.#recordPrefix)
      ? this.#addRecord(key, bytes)
      : this.#addProvider(key, bytes);
    if (!verdict.isKept) this.dropped++;
    this.evicted += verdict.evicted.length;
    return verdict;
  }

  /** Counts what is there, whether or not there is room for it. */
  note(key: string, bytes: number): void {
    if (key.startsWith(this.#recordPrefix)) this.#noteRecord(key, bytes);
    else this.#noteProvider(key);
  }

  /** Counts a deletion. */
  remove(key: string): void {
    const bytes = this.#records.get(key);
    if (bytes !== undefined) {
      this.#records.delete(key);
      this.#recordBytes -= bytes;
      return;
    }
    const peerId = providerOf(key);
    const keys = this.#providers.get(peerId);
    if (keys === undefined || !keys.delete(key)) return;
    this.#providerCount--;
    if (keys.size === 0) this.#providers.delete(peerId);
  }

  #addProvider(key: string, bytes: number): Verdict {
    const peerId = providerOf(key);
    if (peerId === this.#ownPeerId) return kept;
    if (key.length - this.#providerPrefix.length > maxKeyLength || bytes > maxProviderBytes) return dropped;
    const count = this.#providers.get(peerId)?.size ?? 0;
    if (this.#providers.get(peerId)?.has(key) === true) return kept;
    if (count >= maxKeysPerProvider) return dropped;
    const evicted: string[] = [];
    if (this.#providerCount >= maxProviders) {
      const largest = this.#largest();
      if (largest.size <= count + 1) return dropped;
      const [oldest] = largest;
      this.remove(oldest!);
      evicted.push(oldest!);
    }
    this.#noteProvider(key);
    return { isKept: true, evicted };
  }

  #noteProvider(key: string): void {
    const peerId = providerOf(key);
    if (peerId === this.#ownPeerId) return;
    const keys = this.#providers.get(peerId) ?? new Set();
    if (keys.has(key)) return;
    this.#providers.set(peerId, keys.add(key));
    this.#providerCount++;
  }

  /** The keys of the peer that provides most. */
  #largest(): Set<string> {
    let largest = new Set<string>();
    for (const keys of this.#providers.values()) if (keys.size > largest.size) largest = keys;
    return largest;
  }

  #addRecord(key: string, bytes: number): Verdict {
    if (bytes > maxRecordBytes || key.length - this.#recordPrefix.length > 2 * maxKeyLength) return dropped;
    this.remove(key);
    const evicted: string[] = [];
    while (this.#records.size >= maxRecords || this.#recordBytes + bytes > maxRecordBytes) {
      const [oldest] = this.#records.keys();
      this.remove(oldest!);
      evicted.push(oldest!);
    }
    this.#noteRecord(key, bytes);
    return { isKept: true, evicted };
  }

  #noteRecord(key: string, bytes: number): void {
    this.remove(key);
    this.#records.set(key, bytes);
    this.#recordBytes += bytes;
  }
}

function providerOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
