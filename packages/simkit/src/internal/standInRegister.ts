import type { PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { DhtTable } from './dhtTable.ts';
import type { Fabric, Host } from './fabric.ts';

/** What a node tells about itself. Replaced as a whole when it changes. */
export interface SelfDescription {
  /** All of it in one text. */
  readonly text: string;
  readonly addresses: readonly Multiaddr[];
  readonly protocols: readonly string[];
  readonly agentVersion: string;
}

/** A node that tells others about itself, from its start to its stop. */
export interface Told {
  readonly peerId: PeerId;
  readonly host: Host;
  /** What it says now. */
  describe(): SelfDescription;
  /** Is told that another node has changed. */
  hear(from: Told): void;
}

/** What a network knows of its nodes, for those that stand in for libp2p's own services. */
export class StandInRegister {
  readonly fabric: Fabric;
  readonly #told = new Map<string, { readonly told: Told; readonly boot: number }>();
  readonly #tables = new Map<string, DhtTable>();

  constructor(fabric: Fabric) {
    this.fabric = fabric;
  }

  /** The node of that peer id, unless its process is dead. */
  find(peerId: string): Told | undefined {
    const entry = this.#told.get(peerId);
    return entry !== undefined && this.fabric.bootOf(entry.told.host) === entry.boot ? entry.told : undefined;
  }

  /** Takes a node in. Returns what takes it out again. */
  add(told: Told): () => void {
    const name = told.peerId.toString();
    const entry = { told, boot: this.fabric.bootOf(told.host) };
    this.#told.set(name, entry);
    return () => {
      // A crashed process may be stopped when its successor runs.
      if (this.#told.get(name) === entry) this.#told.delete(name);
    };
  }

  /** The table of all nodes whose DHT speaks that protocol. */
  table(protocol: string): DhtTable {
    let table = this.#tables.get(protocol);
    if (table === undefined) this.#tables.set(protocol, (table = new DhtTable(this.fabric)));
    return table;
  }
}
