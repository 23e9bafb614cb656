import { explainError, toPeerAddress, orAbort } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { AddressFailure, FoundPeer } from '../types.ts';
import { startDeadline } from './deadline.ts';
import { Gate } from './gate.ts';
import type { Shared } from './shared.ts';

/** Bootstrap peers that are dialled at the same time. */
const concurrency = 8;

/** Other peers that are dialled when no bootstrap peer answers. */
const maxOthers = 16;

/** What dialling takes beside what is shared. */
export interface BootstrapPorts extends Pick<Shared, 'clock' | 'config' | 'dialer' | 'network'> {
  /** Peers that were met before: through them the network is joined when no bootstrap peer answers. */
  readonly others: () => readonly FoundPeer[];
}

/** What one round of dials came to. */
export interface DialResult {
  /** Peers that answered. */
  readonly answered: readonly string[];
  /** Addresses of those that did not. */
  readonly failures: readonly AddressFailure[];
}

/** The peers through which the network is joined. They are kept here, so nothing that expires elsewhere loses them. */
export class BootstrapPeers {
  readonly #shared: BootstrapPorts;
  readonly #addresses = new Map<string, Set<string>>();
  #hasNew = false;

  /** Begins with the configured peers. */
  constructor(shared: BootstrapPorts) {
    this.#shared = shared;
    for (const address of shared.config.bootstrapPeers) this.add(address);
  }

  /** Every address, in the order in which they were added. */
  get addresses(): readonly string[] {
    return [...this.#addresses.values()].flatMap((addresses) => [...addresses]);
  }

  /** Whether an address was added after the last round of dials began. */
  get hasNew(): boolean {
    return this.#hasNew;
  }

  /** Whether there is nobody through whom the network could be joined. */
  get isAlone(): boolean {
    return this.isEmpty && this.#shared.others().length === 0;
  }

  /** Whether there is no peer other than this node. */
  get isEmpty(): boolean {
    return this.#others().length === 0;
  }

  /**
   * @throws {DiscoveryError} `NO_BOOTSTRAP_PEERS` when there is no peer other than this node
   */
  requireSome(): void {
    if (this.isEmpty) throw new DiscoveryError('NO_BOOTSTRAP_PEERS', { known: this.addresses.length });
  }

  /**
   * Notes an address. Nothing is dialled.
   * @throws {AddressError} when it is none, or ends in no peer id
   */
  add(address: Parameters<typeof toPeerAddress>[0]): void {
    const checked = toPeerAddress(address);
    const peerId = checked.peerId.toString();
    const addresses = this.#addresses.get(peerId) ?? new Set();
    this.#addresses.set(peerId, addresses.add(checked.address.toString()));
    this.#hasNew = true;
  }

  /** Whether this peer was the last bootstrap peer with a connection, now that it has none. */
  hasLostLast(peerId: string): boolean {
    const { network } = this.#shared;
    return this.#addresses.has(peerId) && !this.#others().some(([other]) => network.isConnected(other));
  }

  /** Dials every peer, this node excepted; when none answers, some of those that were met before. Never rejects. */
  async dialAll(signal: AbortSignal): Promise<DialResult> {
    this.#hasNew = false;
    const gate = new Gate(concurrency);
    const rounds = this.#others().map(([peerId, addresses]) =>
      gate.run(async () => ({ peerId, addresses, reason: await this.#dial(peerId, [...addresses], signal) })),
    );
    const results = await Promise.all(rounds);
    const answered = results.filter(({ reason }) => reason === undefined).map(({ peerId }) => peerId);
    return {
      answered: answered.length > 0 ? answered : await this.#dialOthers(signal),
      failures: results.flatMap(({ addresses, reason }) =>
        reason === undefined ? [] : [...addresses].map((address) => ({ address, reason })),
      ),
    };
  }

  async #dialOthers(signal: AbortSignal): Promise<string[]> {
    const { clock, config, dialer, network, others } = this.#shared;
    const gate = new Gate(concurrency);
    const dial = async ({ peerId, addresses }: FoundPeer): Promise<string[]> => {
      const deadline = startDeadline(clock, config.dialTimeoutMs, [signal]);
      try {
        const dialled = dialer.dial(peerId, addresses, { signal: deadline.signal, toldBy: 'peers' });
        await orAbort(dialled, deadline.signal);
        return [peerId];
      } catch {
        return [];
      } finally {
        deadline.clear();
      }
    };
    const met = others().filter(({ peerId }) => peerId !== network.peerId && !this.#addresses.has(peerId));
    const results = await Promise.all(met.slice(0, maxOthers).map((peer) => gate.run(() => dial(peer))));
    return results.flat();
  }

  /** Why it did not work; `undefined` when it did. */
  async #dial(
    peerId: string,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { clock, dialer, network, config } = this.#shared;
    const deadline = startDeadline(clock, config.dialTimeoutMs, [signal]);
    try {
      await network.remember(peerId, addresses);
      await orAbort(
        dialer.dial(peerId, addresses, { signal: deadline.signal, toldBy: 'user' }),
        deadline.signal,
      );
      return undefined;
    } catch (error) {
      return deadline.expired ? `no connection within ${config.dialTimeoutMs} ms` : explainError(error);
    } finally {
      deadline.clear();
    }
  }

  #others(): [string, Set<string>][] {
    return [...this.#addresses].filter(([peerId]) => peerId !== this.#shared.network.peerId);
  }
}
