import type { Doubts } from './doubts.ts';
import type { Usage } from './usage.ts';

/** What is told of requests under way. */
export interface UnderWayParts {
  readonly usage: Pick<Usage, 'began' | 'ended'>;
  readonly peers: { readonly doubts: Pick<Doubts, 'asked' | 'heard' | 'left'> };
}

/** A request under way, as its peer is judged by it: from its making on. */
export class UnderWay {
  readonly #peerId: string;
  readonly #parts: UnderWayParts;
  /** Whether the peer owes a first word: an answer in one piece has none before its end. */
  #isOwed: boolean;

  constructor(peerId: string, isStreamed: boolean, parts: UnderWayParts) {
    this.#peerId = peerId;
    this.#parts = parts;
    this.#isOwed = isStreamed;
    parts.usage.began(peerId);
    if (isStreamed) parts.peers.doubts.asked(peerId);
  }

  /** The peer has said something. */
  heard(): void {
    if (!this.#isOwed) return;
    this.#isOwed = false;
    this.#parts.peers.doubts.heard(this.#peerId);
  }

  /** It is over. */
  ended(): void {
    const { usage, peers } = this.#parts;
    usage.ended(this.#peerId);
    if (this.#isOwed) peers.doubts.left(this.#peerId);
    this.#isOwed = false;
  }
}
