import type { CloseCause, CloseCode } from '../events.ts';
import type { NetworkConnection } from '../ports.ts';
import type { ConnectionInfo } from '../types.ts';
import { closeCauseOf } from './closeCause.ts';
import { surplusToClose, type ConnectionRule, type HeldConnection } from './connectionPlan.ts';

const messages = {
  DISCONNECTED: 'disconnectPeer was called',
  LIMIT: 'there are more connections to this peer than maxConnectionsPerPeer',
  STOPPED: 'this node stops',
} satisfies Partial<Record<CloseCode, string>>;

/** Why this node closes a connection. */
export const ownCause = (code: keyof typeof messages): CloseCause => ({ code, message: messages[code] });

/** The connections to one peer, and why this node is closing some of them. */
export class HeldConnections {
  readonly #connections = new Map<string, NetworkConnection>();
  /** Since when each is known, by the clock's elapsed time. */
  readonly #knownSince = new WeakMap<NetworkConnection, number>();
  readonly #causes = new Map<string, CloseCause>();

  get size(): number {
    return this.#connections.size;
  }

  has(id: string): boolean {
    return this.#connections.has(id);
  }

  /** Whether it is a new one. `at` is the clock's elapsed time. */
  add(connection: NetworkConnection, at: number): boolean {
    if (this.#connections.has(connection.id)) return false;
    this.#connections.set(connection.id, connection);
    this.#knownSince.set(connection, at);
    return true;
  }

  /** Takes a closed one out and says why it ended; `undefined` when it was not held. */
  remove(id: string, error: unknown): { readonly cause: CloseCause | undefined } | undefined {
    if (!this.#connections.delete(id)) return undefined;
    const cause = this.#causes.get(id) ?? closeCauseOf(error);
    this.#causes.delete(id);
    return { cause };
  }

  /** Takes all out. */
  clear(): NetworkConnection[] {
    const all = [...this.#connections.values()];
    this.#connections.clear();
    this.#causes.clear();
    return all;
  }

  /** Closes one; nothing when it is closed, or being closed for another reason. */
  close(id: string, cause: CloseCause): void {
    const connection = this.#connections.get(id);
    if (connection === undefined || this.#causes.has(id)) return;
    this.#causes.set(id, cause);
    void connection.close();
  }

  /** From now on none of them counts as open. */
  markAll(cause: CloseCause): void {
    for (const id of this.#connections.keys()) this.#causes.set(id, cause);
  }

  /** What was marked could not be closed. */
  unmarkAll(): void {
    this.#causes.clear();
  }

  /** Ends those that are being closed by somebody else and take their time, so that the peer can be dialled anew. */
  finish(): void {
    for (const connection of this.#connections.values()) {
      if (!connection.isOpen) void connection.close();
    }
  }

  /** Closes those that are too many, as far as they are not in use; `another` has come, see {@link surplusToClose}. */
  trim(rule: ConnectionRule, { another } = { another: false }): void {
    if (this.#connections.size <= rule.limit) return;
    for (const id of surplusToClose(this.held(), rule, { another })) {
      this.close(id, ownCause(rule.limit === 0 ? 'DISCONNECTED' : 'LIMIT'));
    }
  }

  /** Those that are open, the best first: direct ones before relayed ones. */
  open(): ConnectionInfo[] {
    return this.usable()
      .map(({ info }) => info)
      .toSorted((a, b) => Number(a.relayed) - Number(b.relayed));
  }

  /** Those that are open, as far as their worth is concerned. */
  held(): HeldConnection[] {
    return this.usable().map((connection) => {
      const { id, isInUse, info } = connection;
      const { direction, relayed, openedAt } = info;
      const knownSince = this.#knownSince.get(connection) ?? 0;
      return { id, direction, relayed, openedAt, knownSince, isInUse };
    });
  }

  /** Whether there is one of them. */
  get isUsable(): boolean {
    for (const { id, isOpen } of this.#connections.values()) if (isOpen && !this.#causes.has(id)) return true;
    return false;
  }

  /** Those that are open and that this node is not closing. */
  usable(): NetworkConnection[] {
    return [...this.#connections.values()].filter(({ id, isOpen }) => isOpen && !this.#causes.has(id));
  }
}
