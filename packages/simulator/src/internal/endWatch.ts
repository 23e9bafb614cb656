import { RecentMap } from '@lloom/core';
import type { LloomBehaviour } from '@lloom/behaviour';
import type { KeptRequest, Ledger } from './ledger.ts';

const maxWatched = 10_000;

interface Watched {
  readonly request: KeptRequest;
  isTold: boolean;
}

/** Hears what nodes tell of their requests: each must be told once that it has ended. */
export class EndWatch {
  readonly #ledger: Ledger;
  readonly #nodes = new WeakMap<LloomBehaviour, RecentMap<Watched>>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** The last 10,000 of each node are watched. */
  watch(behaviour: LloomBehaviour, requestId: string, request: KeptRequest): void {
    let watched = this.#nodes.get(behaviour);
    if (watched === undefined) {
      const all = new RecentMap<Watched>(maxWatched);
      const onEnd = ({ detail }: { readonly detail: { readonly requestId: string } }): void =>
        this.#told(all.get(detail.requestId));
      behaviour.addEventListener('response:received', onEnd);
      behaviour.addEventListener('request:failed', onEnd);
      this.#nodes.set(behaviour, all);
      watched = all;
    }
    watched.set(requestId, { request, isTold: false });
  }

  #told(watched: Watched | undefined): void {
    if (watched === undefined) return;
    if (watched.isTold) this.#ledger.endAgain(watched.request);
    watched.isTold = true;
  }
}
