import type { ServiceDescriptor, SignedMessage } from '@lloom/codec';

/** What is kept of peers over a restart. */
export interface StoredPeers {
  /** What peers had proven, the one heard longest ago first. Not proven again, and perhaps expired. */
  readonly messages: readonly SignedMessage<ServiceDescriptor>[];
  /** How many records could not be read. */
  readonly damaged: number;
}

/** Where what must survive a restart is kept. */
export interface DescriptorStore {
  /** No own sequence number up to this one may be used again. */
  loadSequence(): Promise<number>;
  loadPeers(): Promise<StoredPeers>;
  /**
   * Resolves when no restart can lead to this own sequence number, or a lower one, being used again. Waits for
   * {@link loadSequence} when that is under way.
   */
  reserve(sequence: number): Promise<void>;
  /** Keeps what a peer has proven. Never rejects; what is not written is reported. */
  keep(message: SignedMessage<ServiceDescriptor>): void;
  /** Resolves when everything is written. */
  settled(): Promise<void>;
}

/** Keeps nothing. */
export const noStore: DescriptorStore = {
  loadSequence: () => Promise.resolve(0),
  loadPeers: () => Promise.resolve({ messages: [], damaged: 0 }),
  reserve: () => Promise.resolve(),
  keep: () => undefined,
  settled: () => Promise.resolve(),
};
