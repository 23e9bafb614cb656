import {
  encodeDescriptorFrame,
  encodePayload,
  openEnvelope,
  type ServiceDescriptor,
  type ServiceType,
} from '@lloom/codec';
import type { Signer } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { LoadSource } from '../ports.ts';
import type { ServiceKind } from '../types.ts';
import type { DescriptorStore } from './descriptorStore.ts';
import { checkService } from './services.ts';
import type { Shared } from './shared.ts';

/** A node has few addresses that matter, and they share 64 KiB with its offers. */
const maxAddresses = 16;

/** How long a signed frame is handed out although the load has changed, in ms: a busy node would sign all the time. */
const loadHoldMs = 1_000;

/**
 * For how much of its lifetime a signature is handed out. What is left is more than two announcements, for which others
 * believe it.
 */
const handedOutShare = 1 / 3;

type Load = LoadSource['load'];

/** Where the own sequence number is kept. */
type SequenceStore = Pick<DescriptorStore, 'reserve'>;

interface Signed {
  /** Not handed out any more from then on, in ms since 1970. */
  readonly staleAt: number;
  /** How busy the node was then, when it says so. */
  readonly load: Load | undefined;
  readonly frame: Promise<Uint8Array>;
}

/**
 * What this node offers, as the signed frame that it hands to whoever asks. Signed when somebody asks, and kept until a
 * third of its lifetime is over or something changes; how busy the node is counts once a second.
 */
export class OwnDescriptor {
  readonly #shared: Shared;
  readonly #store: SequenceStore;
  readonly #offers = new Map<ServiceKind, ServiceType>();
  #sequence = 0;
  /** What was used before the last restart, or may have been. */
  #usedSequence = 0;
  #signed: Signed | undefined;
  /** When it was signed last because the load had changed, by the clock that never goes back. */
  #loadSignedAt = Number.NEGATIVE_INFINITY;

  constructor(shared: Shared, store: SequenceStore) {
    this.#shared = shared;
    this.#store = store;
  }

  /** No sequence number up to this one is used again. */
  continueAfter(sequence: number): void {
    this.#usedSequence = Math.max(this.#usedSequence, sequence);
    if (this.#sequence > 0) this.touch();
  }

  /** Every offer. */
  get offers(): readonly ServiceType[] {
    return [...this.#offers.values()];
  }

  /** The offer of a kind. */
  offer(kind: ServiceKind): ServiceType | undefined {
    return this.#offers.get(kind);
  }

  /**
   * Adds an offer, or replaces the one of its kind; gives the copy that is kept.
   * @throws {DiscoveryError} `MISSING_SIGNER`, `SIGNER_MISMATCH`, `INVALID_SERVICE`
   */
  put(service: ServiceType): ServiceType {
    this.#checkSigner();
    const others = this.offers.filter(({ kind }) => kind !== service?.kind);
    const offer = checkService(service, others);
    this.#offers.set(offer.kind, offer);
    this.touch();
    return offer;
  }

  /** Takes an offer back, and gives it. */
  remove(kind: ServiceKind): ServiceType | undefined {
    const offer = this.#offers.get(kind);
    if (this.#offers.delete(kind)) this.touch();
    return offer;
  }

  /** Something that the descriptor says has changed. The sequence follows the clock, so that it outlives a restart. */
  touch(): void {
    if (this.#sequence === 0 && this.#offers.size === 0) return;
    const after = Math.max(this.#sequence, this.#usedSequence);
    this.#sequence = Math.max(after + 1, this.#shared.clock.now());
    this.#signed = undefined;
  }

  /** What the descriptor says now; `undefined` as long as nothing was ever offered. */
  current(): ServiceDescriptor | undefined {
    return this.#describe(this.#load());
  }

  #describe(load: Load | undefined): ServiceDescriptor | undefined {
    if (this.#sequence === 0) return undefined;
    const { peerId, agentVersion } = this.#shared.network;
    const addresses = this.#shared.network.addresses();
    return {
      peerId,
      sequence: this.#sequence,
      services: load === undefined ? this.offers : this.offers.map((offer) => withLoad(offer, load)),
      ...(agentVersion !== undefined && { agentVersion }),
      addresses: addresses.slice(0, maxAddresses),
    };
  }

  /** The frame that answers a peer. Signs when the last one is too old; those who ask meanwhile share it. */
  frame(): Promise<Uint8Array> {
    const { clock } = this.#shared;
    const load = this.#load();
    const kept = this.#signed;
    if (kept !== undefined) {
      const isSame = isSameLoad(kept.load, load);
      const isHeld = isSame || clock.elapsed() - this.#loadSignedAt < loadHoldMs;
      if (clock.now() < kept.staleAt && isHeld) return kept.frame;
      if (!isSame) {
        this.#loadSignedAt = clock.elapsed();
        this.touch();
      }
    }
    return this.#sign(load);
  }

  /** A frame that was signed just now: whoever relays it shows that this node is alive. */
  announcement(): Promise<Uint8Array> {
    const load = this.#load();
    if (this.#signed !== undefined && !isSameLoad(this.#signed.load, load)) this.touch();
    return this.#sign(load);
  }

  #sign(load: Load | undefined): Promise<Uint8Array> {
    const { clock, signer, config } = this.#shared;
    const descriptor = this.#describe(load);
    if (descriptor === undefined || signer === undefined)
      return Promise.resolve(encodeDescriptorFrame(undefined));
    const frame = this.#reserved(descriptor.sequence).then(() => {
      // What is kept came late, and says that the number was used.
      const isUsed = descriptor.sequence <= this.#usedSequence;
      return isUsed ? this.frame() : sign(signer, descriptor, config.descriptorTtlMs);
    });
    const staleAt = clock.now() + config.descriptorTtlMs * handedOutShare;
    const signed = { load, staleAt, frame };
    this.#signed = signed;
    frame.catch(() => {
      if (this.#signed === signed) this.#signed = undefined;
    });
    return frame;
  }

  /** Others may see a number only when it is certain not to be used again after a crash. */
  async #reserved(sequence: number): Promise<void> {
    try {
      await this.#store.reserve(sequence);
    } catch (error) {
      // The number follows the clock as well: better than to offer nothing.
      this.#shared.network.logError('could not keep the own sequence number', error);
    }
  }

  /** How busy the node is; `undefined` when it does not say, or is no executor. */
  #load(): Load | undefined {
    const { load } = this.#shared;
    return load === undefined || !this.#offers.has('executor') ? undefined : { ...load.load };
  }

  /** What this signer signs is believed only when its key is the node's. */
  #checkSigner(): void {
    const { signer, verifier, network } = this.#shared;
    if (signer === undefined) throw new DiscoveryError('MISSING_SIGNER', { act: 'advertiseService' });
    if (verifier === undefined) return;
    const wanted = verifier.addressOf(network.peerId);
    if (wanted?.toLowerCase() === signer.address.toLowerCase()) return;
    throw new DiscoveryError('SIGNER_MISMATCH', { peerId: network.peerId, got: signer.address, wanted });
  }
}

/** An offer as it is under a load. It promises no more than its own capacity, whatever else the node would take. */
function withLoad(offer: ServiceType, { capacity, freeSlots, queueDepth }: Load): ServiceType {
  if (offer.kind !== 'executor') return offer;
  const free = Math.min(freeSlots, Math.max(0, offer.capacity - (capacity - freeSlots)));
  return { ...offer, freeSlots: free, queueDepth };
}

function isSameLoad(a: Load | undefined, b: Load | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.capacity === b.capacity && a.freeSlots === b.freeSlots && a.queueDepth === b.queueDepth;
}

async function sign(signer: Signer, descriptor: ServiceDescriptor, ttlMs: number): Promise<Uint8Array> {
  const payloadBytes = encodePayload('ServiceDescriptor', descriptor);
  const envelope = await signer.sign({ payloadType: 'ServiceDescriptor', payloadBytes, ttlMs });
  return encodeDescriptorFrame(openEnvelope('ServiceDescriptor', envelope));
}
