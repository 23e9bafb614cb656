import { Libp2pRecord } from '@libp2p/record';
import { decodeDescriptorFrame, limits, type ServiceDescriptor, type SignedMessage } from '@lloom/codec';
import { systemClock, toPeerId, type Clock, type Verifier } from '@lloom/core';
import { Key, type Datastore } from 'interface-datastore';
import { base32 } from 'multiformats/bases/base32';
import { asRefusal, maxLifetimeMs, prove, refused } from '../internal/proof.ts';

/** What the records of the DHT are checked with. */
export interface DhtRecordsPorts {
  /** Proves who signed a record. */
  readonly verifier: Verifier;
  /** Tells which records are still kept. @default the system's clock */
  readonly clock?: Clock;
  /**
   * Where the DHT keeps its records, under `/dht`: what was stored before a restart is not overwritten by older records
   * then either.
   * @default only records that arrived since the start are compared
   */
  readonly datastore?: Pick<Datastore, 'get'>;
}

/** Refuses a record of the DHT by throwing. The DHT gives options with records that it looked up, and only with those. */
type ValidateRecord = (key: Uint8Array, value: Uint8Array, options?: object) => Promise<void>;

/** The index of the best of several records of one key. */
type SelectRecord = (key: Uint8Array, records: Uint8Array[]) => number;

/** Two fields of the configuration of `kadDHT()`. */
export interface DhtRecords {
  readonly validators: Readonly<Record<'lloom' | 'pk', ValidateRecord>>;
  readonly selectors: Readonly<Record<'lloom' | 'pk', SelectRecord>>;
}

/** What is known of the newest record of a key. */
interface Newest {
  readonly sequence: number;
  readonly timestampMs: number;
}

/** Peers of which records are taken at the same time; what is kept of each is two numbers. */
const maxKeys = 1_024;

const prefix = '/lloom/descriptor/';

/**
 * Lets only signed descriptors into the DHT, as the records `/lloom/descriptor/<peer id>`, and the newest one of each
 * peer at that: stock kad-dht lets older records overwrite newer ones. At most 1,024 peers have records at a time;
 * those of further peers are refused until some have expired. Nobody needs the records `/pk`, because peer ids hold
 * their keys; they are refused.
 *
 * @example
 * ```ts
 * const dht = kadDHT({ ...config, ...dhtRecords({ verifier, datastore }) });
 * ```
 */
export function dhtRecords(ports: DhtRecordsPorts): DhtRecords {
  const records = new DescriptorRecords(ports);
  return {
    validators: {
      lloom: (key, value, options) => records.check(key, value, options !== undefined),
      pk: () => Promise.reject(new Error('records of keys are not kept')),
    },
    selectors: { lloom: (_, values) => newestOf(values), pk: () => 0 },
  };
}

class DescriptorRecords {
  readonly #verifier: Verifier;
  readonly #clock: Clock;
  readonly #datastore: Pick<Datastore, 'get'> | undefined;
  /** The newest record that was let in, by peer; those that were signed first come first. */
  readonly #newest = new Map<string, Newest>();

  constructor({ verifier, clock = systemClock, datastore }: DhtRecordsPorts) {
    this.#verifier = verifier;
    this.#clock = clock;
    this.#datastore = datastore;
  }

  /**
   * Throws unless the record may be stored. One that was looked up may be older than what is known: others hold it, the
   * selector passes it over, and the DHT corrects them.
   */
  async check(key: Uint8Array, value: Uint8Array, isLookup: boolean): Promise<void> {
    const peerId = peerIdOf(key);
    const message = decode(peerId, value);
    // What proves nothing new is refused before its signature is checked, which is dear.
    if (!isLookup) this.#admit(peerId, message);
    await prove(this.#verifier, peerId, message);
    if (isLookup) return;
    const stored = await this.#stored(key);
    if (stored !== undefined && compare(message, stored) < 0) throw refused(peerId, 'STALE');
    // Others have arrived meanwhile.
    this.#admit(peerId, message);
    const { sequence } = message.payload;
    this.#newest.delete(peerId);
    this.#newest.set(peerId, { sequence, timestampMs: message.timestampMs });
  }

  #admit(peerId: string, message: SignedMessage<ServiceDescriptor>): void {
    const newest = this.#newest.get(peerId);
    if (newest !== undefined) {
      if (compare(message, newest) < 0) throw refused(peerId, 'STALE');
      return;
    }
    if (this.#newest.size >= maxKeys) this.#forgetExpired();
    if (this.#newest.size >= maxKeys) throw refused(peerId, 'TOO_MANY');
  }

  /** Forgets whose records have expired, the older ones included: none is signed later or for longer. */
  #forgetExpired(): void {
    const now = this.#clock.now();
    for (const [peerId, { timestampMs }] of this.#newest) {
      if (timestampMs + maxLifetimeMs <= now) this.#newest.delete(peerId);
    }
  }

  /** The record that the DHT has stored, whether or not it is still good. */
  async #stored(key: Uint8Array): Promise<Newest | undefined> {
    try {
      const bytes = await this.#datastore?.get(new Key(`/dht/record/${base32.baseEncode(key)}`, false));
      return bytes && rankOf(Libp2pRecord.deserialize(bytes).value);
    } catch {
      // There is none, or none that can be read.
      return undefined;
    }
  }
}

/** Whose record it is: there is one spelling of each key, so that nobody has two. */
function peerIdOf(key: Uint8Array): string {
  const text = key.length <= limits.nameBytes ? Buffer.from(key).toString('latin1') : '';
  const peerId = text.slice(prefix.length);
  if (!text.startsWith(prefix)) throw refused('', 'WRONG_KEY');
  try {
    if (toPeerId(peerId).toString() !== peerId) throw refused(peerId, 'WRONG_KEY');
  } catch (error) {
    throw asRefusal(peerId, error) ?? error;
  }
  return peerId;
}

function decode(peerId: string, value: Uint8Array): SignedMessage<ServiceDescriptor> {
  if (value.length > limits.descriptorBytes) throw refused(peerId, 'TOO_LARGE');
  try {
    const message = decodeDescriptorFrame(value);
    if (message !== undefined) return message;
  } catch (error) {
    throw asRefusal(peerId, error) ?? error;
  }
  throw refused(peerId, 'EMPTY');
}

/** Below 0 when `a` is older than `b`. A descriptor that has not changed is signed again before it expires. */
function compare(a: SignedMessage<ServiceDescriptor> | Newest, b: Newest): number {
  const sequence = 'payload' in a ? a.payload.sequence : a.sequence;
  return sequence - b.sequence || a.timestampMs - b.timestampMs;
}

function rankOf(value: Uint8Array): Newest | undefined {
  try {
    const message = decodeDescriptorFrame(value);
    return message && { sequence: message.payload.sequence, timestampMs: message.timestampMs };
  } catch {
    return undefined;
  }
}

function newestOf(values: readonly Uint8Array[]): number {
  let best: { readonly index: number; readonly rank: Newest } | undefined;
  for (const [index, value] of values.entries()) {
    const rank = rankOf(value);
    if (rank !== undefined && (best === undefined || compare(rank, best.rank) > 0)) best = { index, rank };
  }
  return best?.index ?? 0;
}
