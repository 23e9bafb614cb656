import { createHash } from 'node:crypto';
import {
  decodeDescriptorFrame,
  encodeDescriptorFrame,
  type ServiceDescriptor,
  type SignedMessage,
} from '@lloom/codec';
import type { Clock } from '@lloom/core';
import { Key, type Datastore } from 'interface-datastore';
import { noStore, type DescriptorStore, type StoredDescriptors } from '../internal/descriptorStore.ts';

const root = '/lloom/discovery/1';
const peersPrefix = `${root}/peers`;
const sequenceKey = new Key(`${root}/sequence`);
const checksumBytes = 16;
/** Peers that are kept; the one that was written longest ago goes first. */
const maxPeers = 1_024;
/** A peer that only repeats itself is written so seldom, in ms: what counts is where it is and its number. */
const rewriteMs = 300_000;
/** Own sequence numbers that one write sets aside. They follow the clock, so it is as many ms. */
const reservedAhead = 60_000;
/** Of whom nothing was heard for so long is not taken up again, in ms. */
const maxAgeMs = 7 * 86_400_000;

/** What a store is made with. */
export interface StorePorts {
  readonly clock: Clock;
  readonly onError: (text: string, error: unknown) => void;
}

/** A store in a datastore; one that keeps nothing when there is none. */
export function openStore(datastore: Datastore | undefined, ports: StorePorts): DescriptorStore {
  return datastore === undefined ? noStore : new DatastoreStore(datastore, ports);
}

/**
 * Descriptors of peers and the own sequence number, one record each with a checksum over key and value: a damaged one is
 * dropped, never mistaken for another.
 */
class DatastoreStore implements DescriptorStore {
  readonly #datastore: Datastore;
  readonly #ports: StorePorts;
  /** What is written of each peer, the oldest first. */
  readonly #written = new Map<string, { readonly sequence: number; readonly atMs: number }>();
  /** The last write of each key that has not settled. */
  readonly #writing = new Map<string, Promise<void>>();
  #reserved = 0;
  #reserving: Promise<void> = Promise.resolve();

  constructor(datastore: Datastore, ports: StorePorts) {
    this.#datastore = datastore;
    this.#ports = ports;
  }

  async load(): Promise<StoredDescriptors> {
    // First of all: what is known of others can be learned again, the own number cannot.
    this.#reserved = await this.#readSequence();
    const stored = { usedSequence: this.#reserved, messages: [], damaged: 0 };
    try {
      return { ...stored, ...(await this.#readPeers()) };
    } catch (error) {
      this.#ports.onError('could not read what is known of peers', error);
      return stored;
    }
  }

  reserve(sequence: number): Promise<void> {
    const reserve = async (): Promise<void> => {
      if (sequence <= this.#reserved) return;
      const reserved = sequence + reservedAhead;
      const value = seal(sequenceKey.toString(), new TextEncoder().encode(String(reserved)));
      await this.#datastore.put(sequenceKey, value);
      this.#reserved = reserved;
    };
    // One after the other: a smaller number that is written later would undo the greater one.
    this.#reserving = this.#reserving.then(reserve, reserve);
    return this.#reserving;
  }

  keep(message: SignedMessage<ServiceDescriptor>): void {
    const { peerId, sequence } = message.payload;
    const nowMs = this.#ports.clock.elapsed();
    const written = this.#written.get(peerId);
    if (written?.sequence === sequence && nowMs - written.atMs < rewriteMs) return;
    this.#written.delete(peerId);
    this.#written.set(peerId, { sequence, atMs: nowMs });
    const key = `${peersPrefix}/${peerId}`;
    this.#write(key, async () => {
      await this.#datastore.put(new Key(key), seal(key, encodeDescriptorFrame(message)));
    });
    for (const oldest of this.#written.keys()) {
      if (this.#written.size <= maxPeers) return;
      this.#written.delete(oldest);
      this.#write(`${peersPrefix}/${oldest}`, async () =>
        this.#datastore.delete(new Key(`${peersPrefix}/${oldest}`)),
      );
    }
  }

  async settled(): Promise<void> {
    await this.#reserving.catch(() => undefined);
    while (this.#writing.size > 0) await Promise.all(this.#writing.values());
  }

  async #readPeers(): Promise<Omit<StoredDescriptors, 'usedSequence'>> {
    const messages: SignedMessage<ServiceDescriptor>[] = [];
    const gone: string[] = [];
    let damaged = 0;
    const oldest = this.#ports.clock.now() - maxAgeMs;
    for await (const { key, value } of this.#datastore.query({ prefix: `${peersPrefix}/` })) {
      const message = readPeer(key.toString(), value);
      if (message === undefined) damaged++;
      if (message === undefined || message.timestampMs < oldest) gone.push(key.toString());
      else messages.push(message);
    }
    messages.sort((a, b) => a.timestampMs - b.timestampMs);
    for (const { payload } of messages)
      this.#written.set(payload.peerId, { sequence: payload.sequence, atMs: 0 });
    for (const key of gone) this.#write(key, async () => this.#datastore.delete(new Key(key)));
    return { messages, damaged };
  }

  async #readSequence(): Promise<number> {
    if (!(await this.#datastore.has(sequenceKey))) return 0;
    const value = unseal(sequenceKey.toString(), await this.#datastore.get(sequenceKey));
    const sequence = Number(value && new TextDecoder().decode(value));
    return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0;
  }

  /** Writes when what was to be written of the key before is. Never rejects. */
  #write(key: string, act: () => Promise<void>): void {
    const before = this.#writing.get(key);
    const run = async (): Promise<void> => {
      await before;
      try {
        await act();
      } catch (error) {
        this.#ports.onError('could not write what is known of a peer', error);
      }
      if (this.#writing.get(key) === writing) this.#writing.delete(key);
    };
    const writing: Promise<void> = Promise.resolve().then(run);
    this.#writing.set(key, writing);
  }
}

function readPeer(key: string, value: Uint8Array): SignedMessage<ServiceDescriptor> | undefined {
  const frame = unseal(key, value);
  if (frame === undefined) return undefined;
  try {
    const message = decodeDescriptorFrame(frame);
    return message !== undefined && key === `${peersPrefix}/${message.payload.peerId}` ? message : undefined;
  } catch {
    return undefined;
  }
}

function seal(key: string, value: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([checksum(key, value), value]));
}

function unseal(key: string, record: Uint8Array): Uint8Array | undefined {
  if (record.length < checksumBytes) return undefined;
  const value = record.subarray(checksumBytes);
  return checksum(key, value).equals(record.subarray(0, checksumBytes)) ? value : undefined;
}

function checksum(key: string, value: Uint8Array): Buffer {
  return createHash('sha256').update(key).update('\0').update(value).digest().subarray(0, checksumBytes);
}
