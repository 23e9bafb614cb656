import { decodeDescriptorFrame, type ServiceDescriptor, type SignedMessage } from '@lloom/codec';
import { Reports, type Clock, type Meter, type Verifier } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { ChannelVerdict, PeerFact, ReputationSink } from '../ports.ts';
import type { DescriptorCounts, DropReason } from '../types.ts';
import * as families from './families.ts';
import type { Hints } from './hints.ts';
import type { KnownPeers, Source } from './knownPeers.ts';
import { asRefusal, dropReasonOf, isFault, isFaultOfRelay, prove, refused } from './proof.ts';
import { PeerQuota } from './peerQuota.ts';
import type { SilentPeers } from './silentPeers.ts';

/** Announcements of one peer that are read at once, and how many more each second. */
const announcements = { burst: 16, perSecond: 1 };

type Descriptor = SignedMessage<ServiceDescriptor>;

/** What taking descriptors in takes. */
export interface IntakePorts {
  /** The own peer id: what others tell of this node is not news. */
  readonly peerId: string;
  readonly clock: Clock;
  readonly meter: Meter | undefined;
  readonly verifier: Verifier | undefined;
  readonly reputation: ReputationSink | undefined;
  readonly known: KnownPeers;
  readonly hints: Hints;
  readonly silent: SilentPeers;
  /** Told of what is wrong here, and not with a descriptor. */
  readonly onError: (text: string, error: unknown) => void;
  /** Told of each one that is believed, and what its peer had said before. */
  readonly onTaken: (message: Descriptor, previous: Descriptor | undefined) => void;
}

/** Through here comes every descriptor of others: proven, newer than what is known, and counted. */
export class Intake {
  readonly #ports: IntakePorts;
  readonly #quota: PeerQuota;
  readonly #reports: Reports<PeerFact>;
  readonly #dropped: Record<DropReason, number> = {
    MALFORMED: 0,
    FORGED: 0,
    FOREIGN: 0,
    STALE: 0,
    REPLAYED: 0,
    TOO_MANY: 0,
  };
  readonly #countDrop: Readonly<Record<DropReason, (() => void) | undefined>>;
  readonly #countTaken: (() => void) | undefined;
  #accepted = 0;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
    this.#quota = new PeerQuota(ports.clock, announcements);
    const { clock, reputation, meter, onError } = ports;
    this.#reports = new Reports({ clock, reputation, onError });
    const dropped = (reason: DropReason): (() => void) | undefined =>
      meter?.counter(families.dropped, { reason });
    this.#countDrop = {
      MALFORMED: dropped('MALFORMED'),
      FORGED: dropped('FORGED'),
      FOREIGN: dropped('FOREIGN'),
      STALE: dropped('STALE'),
      REPLAYED: dropped('REPLAYED'),
      TOO_MANY: dropped('TOO_MANY'),
    };
    this.#countTaken = meter?.counter(families.accepted);
  }

  /** What is known of others, in numbers. */
  get counts(): DescriptorCounts {
    const { known } = this.#ports;
    return {
      live: known.live().length,
      kept: known.size,
      accepted: this.#accepted,
      dropped: { ...this.#dropped },
    };
  }

  /**
   * Remembers a proven descriptor; gives the one that counts, which is a newer one when there is one.
   * @throws {DiscoveryError} `DESCRIPTOR_REFUSED`
   */
  note(message: Descriptor, source: Source): Descriptor {
    const { known, hints, silent, onTaken } = this.#ports;
    const { peerId } = message.payload;
    if (peerId === this.#ports.peerId) return message;
    const problem = known.refuses(message, source);
    if (problem !== undefined) {
      const newer = known.get(peerId);
      if (problem !== 'STALE' || newer === undefined) throw refused(peerId, problem);
      this.drop(refused(peerId, problem));
      return newer.message;
    }
    const previous = known.note(message, source);
    hints.drop(peerId);
    silent.clear(peerId);
    this.#accepted++;
    this.#countTaken?.();
    onTaken(message, previous);
    return message;
  }

  /** Proves and remembers a descriptor that somebody else has passed on. */
  async take(message: Descriptor): Promise<{ readonly message: Descriptor } | { readonly refused: string }> {
    const { peerId } = message.payload;
    try {
      // Looked at first, for what is known already need not be proven.
      const problem = this.#ports.known.refuses(message, 'relayed');
      const known = this.#ports.known.get(peerId);
      if (problem === 'REPLAYED' && known !== undefined) return { message: known.message };
      if (problem !== undefined) throw refused(peerId, problem);
      return { message: this.note(await this.#prove(peerId, message), 'relayed') };
    } catch (error) {
      const refusal = asRefusal(peerId, error);
      if (refusal === undefined) throw error;
      this.drop(refusal);
      return {
        refused: DiscoveryError.is(refusal, 'DESCRIPTOR_REFUSED') ? refusal.data.reason : refusal.code,
      };
    }
  }

  /** A frame from the channel. Never rejects. */
  async relayed(frame: Uint8Array): Promise<ChannelVerdict> {
    // Who can prove nothing has nobody to blame.
    if (this.#ports.verifier === undefined) return 'ignore';
    let message: Descriptor | undefined;
    try {
      message = decodeDescriptorFrame(frame);
      if (message === undefined) throw refused('', 'EMPTY');
      const { peerId } = message.payload;
      if (peerId === this.#ports.peerId) return 'ignore';
      const problem = this.#ports.known.refuses(message, 'relayed');
      if (problem !== undefined) throw refused(peerId, problem);
      await this.#prove(peerId, message);
      // Counted when it is proven: nobody can use up what another one may say.
      if (!this.#quota.take(peerId)) throw refused(peerId, 'TOO_MANY');
      this.note(message, 'relayed');
      return 'accept';
    } catch (error) {
      const refusal = asRefusal(message?.payload.peerId ?? '', error);
      if (refusal === undefined) {
        this.#ports.onError('could not prove a descriptor that was relayed', error);
        return 'ignore';
      }
      this.drop(refusal);
      return isFaultOfRelay(refusal) ? 'reject' : 'ignore';
    }
  }

  /**
   * A frame that a peer announces of itself. What is wrong with it is counted.
   * @throws {DiscoveryError} `DESCRIPTOR_REFUSED`, `MISSING_VERIFIER`
   */
  async announced(peerId: string, frame: Uint8Array): Promise<void> {
    try {
      if (!this.#quota.take(peerId)) throw refused(peerId, 'TOO_MANY');
      const message = decodeDescriptorFrame(frame);
      if (message === undefined) return this.forget(peerId);
      await this.#prove(peerId, message);
      this.note(message, 'announced');
    } catch (error) {
      const refusal = asRefusal(peerId, error);
      if (!DiscoveryError.is(refusal, 'DESCRIPTOR_REFUSED')) throw error;
      this.dropOwn(peerId, refusal);
      throw refusal;
    }
  }

  /** A peer offers nothing any more, or does not answer: neither its own word nor that of others counts. */
  forget(peerId: string): void {
    this.#ports.known.disbelieve(peerId);
    this.#ports.hints.drop(peerId);
  }

  /** Counts a descriptor that was refused and that the peer itself has handed over, and holds it against the peer. */
  dropOwn(peerId: string, error: unknown): void {
    this.drop(error);
    if (isFault(error)) this.#reports.tell(peerId, 'INVALID_DESCRIPTOR');
  }

  /** Counts a descriptor that was refused; gives the reason under which. */
  drop(error: unknown): DropReason {
    const reason = dropReasonOf(error);
    this.#dropped[reason]++;
    this.#countDrop[reason]?.();
    return reason;
  }

  #prove(peerId: string, message: Descriptor): Promise<Descriptor> {
    const { verifier } = this.#ports;
    if (verifier === undefined) throw new DiscoveryError('MISSING_VERIFIER', { act: 'announcements' });
    return prove(verifier, peerId, message);
  }
}
