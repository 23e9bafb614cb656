import type { Peer, PeerId } from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { toPeerId, withPeerId } from '@lloom/core';

import { PeersError } from '../errors.ts';
import { attemptsError } from '../internal/dialFailure.ts';
import type { DialTarget, Gate, Log, PeersComponents } from '../ports.ts';
import { nameOf, storedPeer } from './records.ts';

/** What libp2p gives to dials that a user asks for: they go before those of its own services. */
const dialPriority = 75;

/** Dials, and says why not. */
export class Dialing {
  /** What the gate answers is the reason of a refusal. */
  gate: Gate | undefined;
  readonly #components: PeersComponents;
  readonly #log: Log;

  constructor(components: PeersComponents, log: Log) {
    this.#components = components;
    this.#log = log;
  }

  /** Resolves when connected. @throws {PeersError} that says why not */
  async dial(target: DialTarget): Promise<void> {
    const tried = new Set<string>();
    try {
      await this.#open(target, tried);
    } catch (error) {
      throw await this.#explain(error, target, [...tried]);
    }
  }

  /** @param tried is told the addresses */
  async #open(target: DialTarget, tried: Set<string>): Promise<void> {
    const { signal, isRenewal } = target;
    const whom = await this.#whom(target);
    const attempt = (): Promise<unknown> =>
      this.#components.connectionManager.openConnection(whom, {
        signal,
        priority: dialPriority,
        force: isRenewal,
        onProgress: (event) => {
          if (event.type !== 'dial-queue:calculated-addresses') return;
          for (const { multiaddr: address } of event.detail) tried.add(address.toString());
        },
      });
    try {
      await attempt();
    } catch (error) {
      // libp2p joins a dial that is under way. One whose connection is closed already, as after a disconnect in the moment
      // in which it opened, says nothing of the peer.
      if (tried.size > 0 || nameOf(error) !== 'ConnectionClosedError') throw error;
      await attempt();
    }
  }

  /** A peer id stands for whatever libp2p knows of it. */
  async #whom({ peerId, addresses, isRenewal }: DialTarget): Promise<PeerId | Multiaddr[]> {
    if (addresses.length > 0) return addresses.map((address) => multiaddr(address));
    const id = toPeerId(peerId);
    const proven = isRenewal ? this.#dialledAddresses(id) : [];
    if (proven.length === 0) return id;
    const known = addressesOf(await this.#stored(peerId), id);
    const all = [...proven, ...known.filter((address) => !proven.some((other) => other.equals(address)))];
    // What may take the place of a direct connection is direct as well.
    return proven.every(isRelayed) ? all : all.filter((address) => !isRelayed(address));
  }

  /** Where connections to a peer lead that this node has opened: it can be found there, whatever it announces. */
  #dialledAddresses(peerId: PeerId): Multiaddr[] {
    const open = this.#components.connectionManager
      .getConnections(peerId)
      .filter(({ direction, status }) => direction === 'outbound' && status === 'open');
    return open.map(({ remoteAddr }) => withPeerId(remoteAddr, peerId));
  }

  #stored(peerId: string): Promise<Peer | undefined> {
    const onError = (error: unknown): void => this.#log('a peer cannot be read', error, { peerId });
    return storedPeer(this.#components.peerStore, peerId, onError);
  }

  /** What a dial failed of, as far as libp2p's error says it. */
  async #explain(error: unknown, target: DialTarget, tried: readonly string[]): Promise<PeersError> {
    const { peerId } = target;
    const cause = { cause: error };
    const text = error instanceof Error ? error.message : '';
    switch (nameOf(error)) {
      case 'NoValidAddressesError': {
        const unusable = (await this.#candidates(target)).map((address) => address.toString());
        return new PeersError('NO_ADDRESS', { peerId, unusable }, cause);
      }
      case 'DialDeniedError': {
        if (!text.includes('denied all addresses')) return new PeersError('PEER_REFUSED', { peerId }, cause);
        const refusals = (await this.#candidates(target)).map((address) => ({
          address: address.toString(),
          reason: this.gate?.refusesAddress(address) ?? "the node's connection gater refuses it",
        }));
        return new PeersError('ADDRESS_REFUSED', { peerId, refusals }, cause);
      }
      case 'DialError':
        return text.includes('queue is full')
          ? new PeersError('LIMIT_REACHED', { peerId, limit: 'maxDialQueueLength' }, cause)
          : attemptsError(peerId, error, tried);
      case 'NotStartedError':
        return new PeersError('STOPPED', { peerId }, cause);
      default:
        return attemptsError(peerId, error, tried);
    }
  }

  /** The addresses that a dial had to choose from. */
  async #candidates(target: DialTarget): Promise<Multiaddr[]> {
    const whom = await this.#whom(target);
    if (Array.isArray(whom)) return whom;
    return addressesOf(await this.#stored(target.peerId), whom);
  }
}

const isRelayed = (address: Multiaddr): boolean =>
  address.getComponents().some(({ name }) => name === 'p2p-circuit');

const addressesOf = (peer: Peer | undefined, peerId: PeerId): Multiaddr[] =>
  (peer?.addresses ?? []).map(({ multiaddr: address }) => withPeerId(address, peerId));
