import { limits, type ExecutorService } from '@lloom/codec';
import type { KnownPeer } from './knownPeers.ts';

/** Pairs of an executor and one of its models that are looked at for lists of models. */
export const maxPairs = 16_384;
/** Different models in them. */
export const maxModels = 8_192;
/** Pairs that are looked at where it is enough to compare names. */
export const maxCompared = 262_144;

/** An executor of whom the registry tells. */
export interface Registered {
  readonly peer: KnownPeer;
  /** Its offer; of several the first. */
  readonly offer: ExecutorService;
}

/** A model and who offers it, by peer id. */
export interface OfferedModel {
  readonly model: string;
  readonly executors: readonly Registered[];
}

/**
 * What a registry knows at one moment, in the order of its lists. What lists of models cost is bounded: when all
 * executors have more models together than are looked at, each has an equal share, its first ones.
 */
export class RegistryView {
  /** By peer id. */
  readonly executors: readonly Registered[];
  readonly #connected: ReadonlySet<string>;
  #share: number | undefined;
  #comparedShare: number | undefined;
  #models: readonly OfferedModel[] | undefined;

  /** @param connected the ids of all peers that are connected at that moment */
  constructor(peers: readonly KnownPeer[], connected: ReadonlySet<string>) {
    this.#connected = connected;
    // One whose connection was lost has to be asked before it counts.
    const certain = peers.filter(({ isDoubtful }) => !isDoubtful).flatMap(toRegistered);
    this.executors = certain.toSorted((a, b) => compare(a.peer.peerId, b.peer.peerId));
  }

  /** All models, by name. */
  get models(): readonly OfferedModel[] {
    return (this.#models ??= this.#index());
  }

  isConnected({ peer }: Registered): boolean {
    return this.#connected.has(peer.peerId);
  }

  /** The models of an executor that lists of models look at. */
  modelsOf({ offer }: Registered): readonly string[] {
    this.#share ??= this.#shareOf(maxPairs);
    return offer.models.length > this.#share ? offer.models.slice(0, this.#share) : offer.models;
  }

  /** Whether an executor has a model. */
  offers({ offer }: Registered, model: string): boolean {
    this.#comparedShare ??= this.#shareOf(maxCompared);
    const end = Math.min(offer.models.length, this.#comparedShare);
    for (let at = 0; at < end; at++) if (offer.models[at] === model) return true;
    return false;
  }

  #index(): readonly OfferedModel[] {
    const byName = new Map<string, Registered[]>();
    for (const executor of this.executors) {
      for (const model of this.modelsOf(executor)) {
        const offering = byName.get(model);
        if (offering === undefined) {
          if (byName.size < maxModels) byName.set(model, [executor]);
        } else if (offering.at(-1) !== executor) offering.push(executor);
      }
    }
    const names = [...byName.keys()].toSorted();
    return names.map((model) => ({ model, executors: byName.get(model) ?? [] }));
  }

  /** How many models of each executor are looked at, so that they are at most `budget` together. */
  #shareOf(budget: number): number {
    const lengths = this.executors.map(({ offer }) => offer.models.length);
    const fits = (share: number): boolean =>
      lengths.reduce((sum, length) => sum + Math.min(length, share), 0) <= budget;
    let share = 0;
    let beyond = limits.listEntries + 1;
    while (beyond - share > 1) {
      const middle = Math.floor((share + beyond) / 2);
      if (fits(middle)) share = middle;
      else beyond = middle;
    }
    return share;
  }
}

function toRegistered(peer: KnownPeer): Registered[] {
  for (const service of peer.message.payload.services)
    if (service.kind === 'executor') return [{ peer, offer: service }];
  return [];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
