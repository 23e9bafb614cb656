import {
  encodeDescriptorFrame,
  encodePayload,
  openEnvelope,
  type ServiceDescriptor,
  type ServiceType,
} from '@lloom/codec';
import type { Signer } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { ServiceKind } from '../types.ts';
import { checkService } from './services.ts';
import type { Shared } from './shared.ts';

/** A node has few addresses that matter, and they share 64 KiB with its offers. */
const maxAddresses = 16;

interface Signed {
  readonly sequence: number;
  /** Not handed out any more from then on, in ms since 1970. */
  readonly staleAt: number;
  readonly frame: Promise<Uint8Array>;
}

/**
 * What this node offers, as the signed frame that it hands to whoever asks. Signed when somebody asks, and kept until
 * two thirds of its lifetime are over or something changes.
 */
export class OwnDescriptor {
  readonly #shared: Shared;
  readonly #offers = new Map<ServiceKind, ServiceType>();
  #sequence = 0;
  #signed: Signed | undefined;

  constructor(shared: Shared) {
    this.#shared = shared;
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
    this.#sequence = Math.max(this.#sequence + 1, this.#shared.clock.now());
    this.#signed = undefined;
  }

  /** What the descriptor says now; `undefined` as long as nothing was ever offered. */
  current(): ServiceDescriptor | undefined {
    if (this.#sequence === 0) return undefined;
    const { peerId, agentVersion } = this.#shared.network;
    const addresses = this.#shared.network.addresses();
    return {
      peerId,
      sequence: this.#sequence,
      services: this.offers,
      ...(agentVersion !== undefined && { agentVersion }),
      addresses: addresses.slice(0, maxAddresses),
    };
  }

  /** The frame that answers a peer. Signs when the last one is too old; those who ask meanwhile share it. */
  frame(): Promise<Uint8Array> {
    const descriptor = this.current();
    const { clock, signer, config } = this.#shared;
    if (descriptor === undefined || signer === undefined)
      return Promise.resolve(encodeDescriptorFrame(undefined));
    const now = clock.now();
    if (this.#signed?.sequence === descriptor.sequence && now < this.#signed.staleAt)
      return this.#signed.frame;
    const frame = sign(signer, descriptor, config.descriptorTtlMs);
    const signed = { sequence: descriptor.sequence, staleAt: now + (config.descriptorTtlMs * 2) / 3, frame };
    this.#signed = signed;
    frame.catch(() => {
      if (this.#signed === signed) this.#signed = undefined;
    });
    return frame;
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

async function sign(signer: Signer, descriptor: ServiceDescriptor, ttlMs: number): Promise<Uint8Array> {
  const payloadBytes = encodePayload('ServiceDescriptor', descriptor);
  const envelope = await signer.sign({ payloadType: 'ServiceDescriptor', payloadBytes, ttlMs });
  return encodeDescriptorFrame(openEnvelope('ServiceDescriptor', envelope));
}
