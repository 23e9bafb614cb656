import type { ConnectionManager } from '@libp2p/interface-internal';
import type { PeerId } from '@libp2p/interface';

/** What libp2p calls when the last connection to a peer is gone. It is not in its types. */
type Reconnect = (peerId: PeerId) => Promise<void>;

interface ManagerInside {
  readonly reconnectQueue?: { maybeReconnect?: Reconnect };
}

/**
 * Keeps libp2p from dialling a peer again whose last connection one of the two sides has closed on purpose. libp2p does so at
 * once for every peer with a `keep-alive` tag, and the DHT gives one to the twenty nearest peers: nothing would stay closed.
 * Who was lost otherwise is still dialled. Tags stay as they are.
 */
export class Reconnects {
  readonly #manager: ManagerInside;
  /** Peers of which that is known, from the moment of the closing until libp2p has asked. */
  readonly #leftAlone = new Set<string>();
  #undo: (() => void) | undefined;

  constructor(manager: ConnectionManager) {
    this.#manager = manager as ManagerInside;
  }

  /** Until `end`. Where libp2p is built otherwise, nothing changes. */
  begin(): void {
    const { reconnectQueue: queue } = this.#manager;
    const original = queue?.maybeReconnect;
    if (queue === undefined || typeof original !== 'function' || this.#undo !== undefined) return;
    const asked: Reconnect = async (peerId) => {
      // libp2p asks while it still tells others of the closing.
      await Promise.resolve();
      if (!this.#leftAlone.delete(peerId.toString())) await original.call(queue, peerId);
    };
    queue.maybeReconnect = asked;
    this.#undo = () => {
      if (queue.maybeReconnect === asked) queue.maybeReconnect = original;
    };
  }

  end(): void {
    this.#undo?.();
    this.#undo = undefined;
    this.#leftAlone.clear();
  }

  /** The last connection to a peer was closed on purpose just now. */
  leaveAlone(peerId: string): void {
    if (this.#undo !== undefined) this.#leftAlone.add(peerId);
  }
}
