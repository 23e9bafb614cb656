import { Key, type Datastore } from 'interface-datastore';

import type { Nonce, UsedNonce } from '../internal/nonces.ts';

const entriesPrefix = '/lloom/replay-guard/1/nonces';
const stateKey = new Key('/lloom/replay-guard/1/state');

/** What a guard knows beside its nonces. */
export interface GuardState {
  /** Envelopes from before are refused: nothing is known of that time. */
  readonly startedMs: number;
  /** Nonces of envelopes that ended up to here may have been forgotten. */
  readonly horizonMs: number;
}

/** What was found in a datastore. */
export interface StoredNonces {
  /** `undefined` in a new datastore, and when it cannot be read. */
  readonly state: GuardState | undefined;
  readonly entries: readonly UsedNonce[];
  /** Keys that cannot be read, or do not fit their value. */
  readonly damaged: readonly Key[];
}

type Checksum = (bytes: Uint8Array) => Uint8Array;

/**
 * Nonces in a datastore, one record each: `<signer>/<nonce>` in hex -> when its envelope ends, and a checksum over
 * all three, so that a record which was damaged is never mistaken for another one.
 */
export class NonceStore {
  readonly #datastore: Datastore;
  readonly #checksum: Checksum;

  constructor(datastore: Datastore, checksum: Checksum) {
    this.#datastore = datastore;
    this.#checksum = checksum;
  }

  async load(): Promise<StoredNonces> {
    const entries: UsedNonce[] = [];
    const damaged: Key[] = [];
    for await (const { key, value } of this.#datastore.query({ prefix: entriesPrefix })) {
      const entry = this.#readEntry(key, value);
      if (entry === undefined) damaged.push(key);
      else entries.push(entry);
    }
    const state = await this.#loadState();
    // The state is written first of all: without it, something was lost.
    if (state === undefined && (entries.length > 0 || (await this.#datastore.has(stateKey)))) {
      damaged.push(stateKey);
    }
    return { state, entries, damaged };
  }

  async put(entry: UsedNonce): Promise<void> {
    const key = keyOf(entry);
    await this.#datastore.put(key, this.#seal(key, [entry.expiresMs]));
  }

  /** Writes the state, and only then forgets: what is no longer stored is covered by the horizon. */
  async forget(gone: readonly (Nonce | Key)[], state: GuardState): Promise<void> {
    await this.#datastore.put(stateKey, this.#seal(stateKey, [state.startedMs, state.horizonMs]));
    const keys = gone.map((entry) => (entry instanceof Key ? entry : keyOf(entry)));
    const batch = this.#datastore.batch();
    for (const key of keys) if (key !== stateKey) batch.delete(key);
    await batch.commit();
  }

  async #loadState(): Promise<GuardState | undefined> {
    if (!(await this.#datastore.has(stateKey))) return undefined;
    const [startedMs, horizonMs] = this.#open(stateKey, await this.#datastore.get(stateKey), 2) ?? [];
    return startedMs === undefined || horizonMs === undefined ? undefined : { startedMs, horizonMs };
  }

  #readEntry(key: Key, value: Uint8Array): UsedNonce | undefined {
    const match = /\/(?<signer>0x[0-9a-f]{40})\/(?<nonce>[0-9a-f]{64})$/.exec(key.toString())?.groups;
    const [expiresMs] = this.#open(key, value, 1) ?? [];
    if (match === undefined || expiresMs === undefined) return undefined;
    const nonce = Buffer.from(match['nonce'] ?? '', 'hex').toString('latin1');
    return { signer: match['signer'] ?? '', nonce, expiresMs };
  }

  /** Times as 8 bytes each, then 8 bytes of checksum over the key and them. */
  #seal(key: Key, times: readonly number[]): Uint8Array {
    const value = new Uint8Array(8 * times.length + 8);
    const view = new DataView(value.buffer);
    for (const [index, time] of times.entries()) view.setBigUint64(8 * index, BigInt(time));
    value.set(this.#checksumOf(key, value.subarray(0, -8)), value.length - 8);
    return value;
  }

  #open(key: Key, value: Uint8Array, count: number): number[] | undefined {
    if (value.length !== 8 * count + 8) return undefined;
    const times = value.subarray(0, -8);
    if (Buffer.compare(this.#checksumOf(key, times), value.subarray(-8)) !== 0) return undefined;
    const view = new DataView(value.buffer, value.byteOffset);
    return Array.from({ length: count }, (_, index) => Number(view.getBigUint64(8 * index)));
  }

  #checksumOf(key: Key, times: Uint8Array): Uint8Array {
    return this.#checksum(Buffer.concat([key.uint8Array(), times])).subarray(0, 8);
  }
}

/** Takes away what a guard knows beside its nonces: it then refuses whatever was signed before it is made anew. */
export async function deleteState(datastore: Datastore): Promise<void> {
  await datastore.delete(stateKey);
}

function keyOf({ signer, nonce }: Nonce): Key {
  return new Key(`${entriesPrefix}/${signer}/${Buffer.from(nonce, 'latin1').toString('hex')}`);
}
