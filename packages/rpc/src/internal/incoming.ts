import { CodecError } from '@lloom/codec';
import { GatheredMessage } from './gathered.ts';

/** What each side of a request may send before it is granted more. */
export const initialCreditBytes = 256 * 1024;
/**
 * How far a sender may run ahead of its reader. What is under way of a large message delays all that comes behind it: so
 * much keeps a link of 100 Mbit/s and 20 ms there and back full, and delays a ping by less than ten.
 */
const windowBytes = 384 * 1024;
/** A sender that has this much left at its beginning is granted no more: most requests never are. */
const lowCreditBytes = initialCreditBytes / 2;
/** Not worth a frame. More at a time would have the sender wait. */
const leastGrantBytes = 96 * 1024;

/** Frames beyond this that come in several chunks are taken piece by piece: gathered once, and not twice. */
export const splitAboveBytes = 16 * 1024;

/** What one side of a request has sent, and what it may send: pieces become messages, and nothing grows beyond limits. */
export class IncomingMessages {
  readonly #what: 'request' | 'answer';
  readonly #maxBytes: number;
  readonly #announcedBytes: number;
  #gathered: GatheredMessage | undefined;
  #received = 0;
  #taken = 0;
  #granted = initialCreditBytes;

  /**
   * @param maxBytes the most that all messages may have together
   * @param announcedBytes how long the one message is going to be, when the peer has said so
   */
  constructor(what: 'request' | 'answer', maxBytes: number, announcedBytes: number = 0) {
    this.#what = what;
    this.#maxBytes = maxBytes;
    this.#announcedBytes = announcedBytes;
  }

  /** Bytes of a message that is not complete. */
  get gatheredBytes(): number {
    return this.#gathered?.length ?? 0;
  }

  /**
   * Takes a piece; gives the message that it completes.
   *
   * @throws {RangeError} when the peer sends what it was not granted
   * @throws {CodecError} `TOO_LARGE`
   */
  add(piece: Uint8Array, more: boolean): Uint8Array | undefined {
    this.#received += piece.length;
    if (this.#received > this.#granted) throw new RangeError('it sent more than it was granted');
    if (this.#received > this.#maxBytes) {
      const sizes = { sizeBytes: this.#received, limitBytes: this.#maxBytes };
      throw new CodecError('TOO_LARGE', { what: this.#what, ...sizes });
    }
    if (!more && this.#gathered === undefined) return piece;
    this.#gathered ??= new GatheredMessage(this.#announcedBytes);
    this.#gathered.add(piece);
    if (more) return undefined;
    const message = this.#gathered.join();
    this.#gathered = undefined;
    // What was gathered has been counted as taken: a message larger than the window could not be completed otherwise.
    this.#taken -= message.length - piece.length;
    return message;
  }

  /**
   * Counts bytes of complete messages that somebody has taken.
   * @returns how much more to grant; 0 for nothing
   */
  take(bytes: number): number {
    this.#taken += bytes;
    return this.#grant();
  }

  /**
   * Counts bytes of a message that is not complete: it is held until it is. Not for a reader that is behind: what it
   * has not taken must stop the sender.
   * @returns how much more to grant; 0 for nothing
   */
  hold(bytes: number): number {
    this.#taken += bytes;
    return this.#received - this.#taken < lowCreditBytes ? this.#grant() : 0;
  }

  #grant(): number {
    const isFirst = this.#granted === initialCreditBytes;
    if (isFirst && this.#granted - this.#received >= lowCreditBytes) return 0;
    const more = this.#taken + windowBytes - this.#granted;
    if (more < leastGrantBytes) return 0;
    this.#granted += more;
    return more;
  }
}
