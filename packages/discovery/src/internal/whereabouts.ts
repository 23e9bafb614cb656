import type { ServiceDescriptor, SignedMessage } from '@lloom/codec';
import { RecentMap, type Clock } from '@lloom/core';
import type { Network, Relocation } from '../ports.ts';
import type { Provider } from '../types.ts';
import { ownAddresses } from './providers.ts';

/** Peers whose addresses wait to be written; beyond, the one that waits longest is left to the next occasion. */
const maxWaiting = 1_024;
/** Addresses that such a peer has given up. */
const maxFormer = 32;
/** Of so many results of a search the addresses are looked at: who is asked is among the first. */
const maxHandedOut = 64;
/** How often the addresses of one peer are looked at because it is a result, in ms, and of how many that is known. */
const lookAgainMs = 10_000;
const maxLookedAt = 1_024;

/** What keeping addresses takes. */
export interface WhereaboutsPorts {
  readonly clock: Clock;
  readonly network: Pick<Network, 'relocate' | 'logError'>;
  /** Fires when the service stops; `undefined` while it is not started. */
  readonly stop: () => AbortSignal | undefined;
}

type Descriptor = SignedMessage<ServiceDescriptor>;

/**
 * Has peers dialled where they say themselves that they are, also when nobody is connected to them who could be told: a peer
 * that got a place at a relay announces it, and whoever asks it then knows it by its id alone. One peer at a time.
 */
export class Whereabouts {
  readonly #ports: WhereaboutsPorts;
  readonly #waiting = new RecentMap<Relocation>(maxWaiting);
  /** When the addresses of a peer were looked at last, by the clock that never goes back. */
  readonly #lookedAt = new RecentMap<number>(maxLookedAt);
  #isWorking = false;

  constructor(ports: WhereaboutsPorts) {
    this.#ports = ports;
  }

  /** A peer has said something of itself. @param previous what it had said before, as far as that is known */
  taken({ payload }: Descriptor, previous: Descriptor | undefined): void {
    const before = previous?.payload.addresses ?? [];
    if (payload.addresses.length === 0 || payload.addresses.join() === before.join()) return;
    const former = previous === undefined ? [] : ownAddresses(previous.payload);
    this.#relocate(payload.peerId, { addresses: ownAddresses(payload), former, isWanted: false });
  }

  /** Peers are the result of a search: whoever got it is about to ask one of them. */
  handOut(providers: readonly Provider[]): void {
    const nowMs = this.#ports.clock.elapsed();
    for (const { peerId, addresses } of providers.slice(0, maxHandedOut)) {
      const sinceMs = nowMs - (this.#lookedAt.get(peerId) ?? Number.NEGATIVE_INFINITY);
      if (addresses.length === 0 || sinceMs < lookAgainMs) continue;
      this.#lookedAt.set(peerId, nowMs);
      this.#relocate(peerId, { addresses, former: [], isWanted: true });
    }
  }

  #relocate(peerId: string, relocation: Relocation): void {
    const waiting = this.#waiting.get(peerId);
    const former = [...new Set([...relocation.former, ...(waiting?.former ?? [])])];
    const isWanted = relocation.isWanted || waiting?.isWanted === true;
    this.#waiting.set(peerId, { ...relocation, former: former.slice(-maxFormer), isWanted });
    if (!this.#isWorking) void this.#work();
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    const { network, stop } = this.#ports;
    this.#isWorking = true;
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const [peerId, relocation] = next;
      this.#waiting.delete(peerId);
      if (stop()?.aborted !== false) continue;
      try {
        await network.relocate(peerId, relocation);
      } catch (error) {
        network.logError('could not keep where a peer is', error, { peerId });
      }
    }
    this.#isWorking = false;
  }
}
