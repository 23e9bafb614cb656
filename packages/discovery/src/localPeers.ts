import { orAbort, sharing } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { startDeadline } from './internal/deadline.ts';
import { localAddresses } from './internal/localAddresses.ts';
import type { Shared } from './internal/shared.ts';
import { localPeerMachine, type LocalPeerState } from './machines/localPeer.machine.ts';
import type { FoundPeer } from './types.ts';

type LocalPeer = ActorRefFrom<typeof localPeerMachine>;

/** Peers that are followed; beyond, whoever is new is not heard until another one is given up. */
const maxPeers = 256;
/** Peers that are dialled at the same time. */
const concurrency = 4;

const stateOf = (peer: LocalPeer): LocalPeerState => peer.getSnapshot().value;

/**
 * The peers of the local network, from one start of the service to its stop. Anybody there can announce any number of peers:
 * whatever is announced, at most 256 peers are followed, each is dialled at most every 30 s, four at the same time.
 */
export class LocalPeers {
  readonly #ports: Shared;
  /** In the order in which their turn comes. */
  readonly #peers = new Map<string, LocalPeer>();
  #watching: Promise<() => Promise<void>> | undefined;

  constructor(ports: Shared) {
    this.#ports = ports;
  }

  /** Those that were told as found and have not expired. */
  get peerIds(): readonly string[] {
    return [...this.#peers].filter(([, peer]) => peer.getSnapshot().context.isTold).map(([peerId]) => peerId);
  }

  /** Looks around from now on. What goes wrong with it is logged: a node works without a local network. */
  start(): void {
    if (this.#watching !== undefined) return;
    const { network } = this.#ports;
    const watcher = { onSighting: (peer: FoundPeer) => this.#onSighting(peer) };
    this.#watching = network.watchLocal(watcher).catch((error: unknown) => {
      network.logError('could not look for peers on the local network', error);
      return () => Promise.resolve();
    });
  }

  /** Resolves when nobody is dialled and the local network is left alone. */
  async stop(): Promise<void> {
    const watching = this.#watching;
    this.#watching = undefined;
    for (const peer of this.#peers.values()) peer.stop();
    this.#peers.clear();
    const unwatch = await watching;
    try {
      await unwatch?.();
    } catch (error) {
      this.#ports.network.logError('could not stop looking for peers on the local network', error);
    }
  }

  #onSighting({ peerId, addresses }: FoundPeer): void {
    const { network } = this.#ports;
    if (this.#watching === undefined || peerId === network.peerId) return;
    const usable = localAddresses(addresses);
    const peer = this.#peers.get(peerId);
    if (peer === undefined) this.#follow(peerId, usable);
    else peer.send({ type: 'peer.sighted', addresses: usable, isConnected: network.isConnected(peerId) });
    this.#takeTurns();
  }

  #follow(peerId: string, addresses: readonly string[]): void {
    if (addresses.length === 0 || !this.#makeRoom()) return;
    const peer = this.#create(peerId, addresses);
    this.#peers.set(peerId, peer);
    peer.start();
  }

  /**
   * Whether there is room for one more. Only those give way that were dialled and may be dialled again: so a flood of
   * announcements takes nobody's place who is there, and causes no more dials than these peers would.
   */
  #makeRoom(): boolean {
    if (this.#peers.size < maxPeers) return true;
    const oldest = [...this.#peers].find(([, peer]) => stateOf(peer) === 'rested');
    if (oldest === undefined) return false;
    const [peerId, peer] = oldest;
    this.#peers.delete(peerId);
    peer.stop();
    return true;
  }

  /** Dials those who wait, as many as may be dialled at the same time. */
  #takeTurns(): void {
    const peers = [...this.#peers.values()];
    let free = concurrency - peers.filter((peer) => stateOf(peer) === 'joining').length;
    for (const peer of peers) {
      if (free <= 0) return;
      if (stateOf(peer) !== 'sighted') continue;
      free--;
      peer.send({ type: 'peer.join' });
    }
  }

  #create(peerId: string, addresses: readonly string[]): LocalPeer {
    const { config, events } = this.#ports;
    const machine = sharing(localPeerMachine).provide({
      actors: {
        join: fromPromise<boolean, { readonly addresses: readonly string[] }>(({ input, signal }) =>
          this.#join(peerId, input.addresses, signal),
        ),
      },
    });
    const { localPeerTtlMs } = config;
    const peer = createServiceActor(this.#ports, machine, {
      id: `localPeer ${peerId}`,
      input: { peerId, addresses, localPeerTtlMs },
    });
    peer.on('peer.found', ({ addresses: at }) => events.emit('peer:discovered', { peerId, addresses: at }));
    peer.on('peer.expired', () => events.emit('peer:expired', { peerId }));
    let before: LocalPeerState = 'sighted';
    peer.subscribe({
      next: ({ value }) => {
        const [was, now] = [before, value];
        before = value;
        // Whoever waits again waits behind all others: strangers that do not answer would keep the rest from their turn.
        if (now === 'sighted' && was !== 'sighted') this.#peers.delete(peerId);
        if (now === 'sighted') this.#peers.set(peerId, peer);
        if (was === 'joining' && now !== 'joining') this.#takeTurns();
      },
      complete: () => this.#peers.delete(peerId),
    });
    return peer;
  }

  /** Whether a peer that answers takes part in this network. */
  async #join(peerId: string, addresses: readonly string[], stop: AbortSignal): Promise<boolean> {
    const { clock, config, dialer, network } = this.#ports;
    const deadline = startDeadline(clock, config.dialTimeoutMs, [stop]);
    const { signal } = deadline;
    try {
      await orAbort(dialer.dial(peerId, addresses, { signal, toldBy: 'neighbours' }), signal);
      return await orAbort(network.isMember(peerId, { signal }), signal);
    } finally {
      deadline.clear();
    }
  }
}
