import { createHash } from 'node:crypto';
import {
  decodeDescriptorFrame,
  encodeDescriptorFrame,
  type ServiceDescriptor,
  type SignedMessage,
} from '@lloom/codec';
import type { Clock } from '@lloom/core';
import { Key, type Datastore } from 'interface-datastore';
import { noStore, type DescriptorStore, type StoredPeers } from '../internal/descriptorStore.ts';

const root = '/lloom/discovery/1';
const peersPrefix = `${root}/peers`;
const sequenceKey = new Key(`${root}/sequence`);
const checksumBytes = 16;
/** Peers that are kept; the one that was written longest ago goes first. */
const maxPeers = 1_024;
/**
 * What may wait to be written, in bytes of descriptors; decoded they take about three times as much. It is far more than
 * a disk that works is behind.
 */
const maxWaitingBytes = 4 * 1024 * 1024;
/** What each record counts beside its descriptor while it waits. */
const recordBytes = 512;
/** A peer that only repeats itself is written so seldom, in ms: what counts is where it is and its number. */
const rewriteMs = 300_000;
/** Own sequence numbers that one write sets aside. They follow the clock, so it is as many ms. */
const reservedAhead = 5_000;
/** Of whom nothing was heard for so long is not taken up again, in ms. */
const maxAgeMs = 7 * 86_400_000;

type Descriptor = SignedMessage<ServiceDescriptor>;

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
  /** What the records of these keys are to become; without a descriptor they are deleted. */
  readonly #waiting = new Map<string, Descriptor | undefined>();
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  /** Whether something was dropped since everything was written. */
  #isFull = false;
  #reserved = 0;
  #reserving: Promise<void> = Promise.resolve();

  constructor(datastore: Datastore, ports: StorePorts) {
    this.#datastore = datastore;
    this.#ports = ports;
  }

  loadSequence(): Promise<number> {
    const reading = this.#readSequence();
    // A number that is set aside before the greatest is known would undo it.
    this.#reserving = Promise.allSettled([this.#reserving, reading]).then(() => undefined);
    return reading;
  }

  async loadPeers(): Promise<StoredPeers> {
    const messages: Descriptor[] = [];
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
    // What was kept meanwhile is newer.
    const since = new Map(this.#written);
    this.#written.clear();
    for (const { payload } of messages) {
      if (!since.has(payload.peerId))
        this.#written.set(payload.peerId, { sequence: payload.sequence, atMs: 0 });
    }
    for (const [peerId, written] of since) this.#written.set(peerId, written);
    for (const key of gone) {
      if (!since.has(key.slice(peersPrefix.length + 1))) this.#write(key, undefined);
    }
    return { messages, damaged };
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

  keep(message: Descriptor): void {
    const { peerId, sequence } = message.payload;
    const nowMs = this.#ports.clock.elapsed();
    const written = this.#written.get(peerId);
    if (written?.sequence === sequence && nowMs - written.atMs < rewriteMs) return;
    if (!this.#write(`${peersPrefix}/${peerId}`, message)) return;
    this.#written.delete(peerId);
    this.#written.set(peerId, { sequence, atMs: nowMs });
    for (const oldest of this.#written.keys()) {
      if (this.#written.size <= maxPeers || !this.#write(`${peersPrefix}/${oldest}`, undefined)) return;
      this.#written.delete(oldest);
    }
  }

  async settled(): Promise<void> {
    await this.#reserving.catch(() => undefined);
    await this.#writing;
  }

  async #readSequence(): Promise<number> {
    if (!(await this.#datastore.has(sequenceKey))) return 0;
    const value = unseal(sequenceKey.toString(), await this.#datastore.get(sequenceKey));
    const sequence = Number(value && new TextDecoder().decode(value));
    if (Number.isSafeInteger(sequence)) this.#reserved = Math.max(this.#reserved, sequence);
    return this.#reserved;
  }

  /** Writes a record when its turn comes, in place of what waits for that; not when too much waits. */
  #write(key: string, message: Descriptor | undefined): boolean {
    const added = sizeOf(message) - (this.#waiting.has(key) ? sizeOf(this.#waiting.get(key)) : 0);
    if (this.#waitingBytes + added > maxWaitingBytes) {
      const error = new Error(`more than ${maxWaitingBytes} bytes wait for the datastore`);
      if (!this.#isFull) this.#ports.onError('what is known of peers is not kept', error);
      this.#isFull = true;
      return false;
    }
    this.#waiting.set(key, message);
    this.#waitingBytes += added;
    this.#writing ??= this.#writeAll();
    return true;
  }

  /** One after the other: what is said meanwhile of a peer that waits is written once. Never rejects. */
  async #writeAll(): Promise<void> {
    await Promise.resolve();
    for (const [key, message] of this.#waiting) {
      this.#waiting.delete(key);
      this.#waitingBytes -= sizeOf(message);
      try {
        if (message === undefined) await this.#datastore.delete(new Key(key));
        else await this.#datastore.put(new Key(key), seal(key, encodeDescriptorFrame(message)));
      } catch (error) {
        this.#ports.onError('could not write what is known of a peer', error);
      }
    }
    this.#writing = undefined;
    this.#isFull = false;
  }
}

function sizeOf(message: Descriptor | undefined): number {
  return recordBytes + (message?.payloadBytes.length ?? 0);
}

function readPeer(key: string, value: Uint8Array): Descriptor | undefined {
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
