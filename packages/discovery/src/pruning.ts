import { orAbort, RecentMap, sharing } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { startDeadline } from './internal/deadline.ts';
import { Gate } from './internal/gate.ts';
import type { Shared } from './internal/shared.ts';
import { deadPeerMachine, type DeadPeerDial } from './machines/deadPeer.machine.ts';

type DeadPeer = ActorRefFrom<typeof deadPeerMachine>;

/** Peers that are watched at the same time: more than a node has connections to lose. */
const maxWatched = 256;
/** Of these, how many are dialled at the same time. */
const concurrency = 4;
/** A peer that was connected lately is dialled at an address that worked: there is nothing to try for long. */
const maxDialMs = 5_000;
/**
 * How long a peer that answered is not dialled again: in a large network connections are closed because there are too
 * many, and dialling each of those peers would close those of others.
 */
const restMs = 600_000;
/** Peers of which that is remembered. */
const maxAnswered = 1_024;

/**
 * Takes peers out of the routing table of the DHT that have been gone for a while and do not answer: stock kad-dht keeps
 * them, and every query pays for it. From one start of the service to its stop, a machine for each such peer.
 */
export class Pruning {
  readonly #ports: Shared;
  readonly #gate = new Gate(concurrency);
  readonly #watched = new Map<string, DeadPeer>();
  /** When peers answered a dial, by the clock that never goes back; the oldest ones come first. */
  readonly #answeredAt = new RecentMap<number>(maxAnswered);
  #isRunning = false;

  constructor(ports: Shared) {
    this.#ports = ports;
  }

  /** The peers that are watched, and the states of their machines. */
  get watched(): ReadonlyMap<string, string> {
    return new Map([...this.#watched].map(([peerId, actor]) => [peerId, actor.getSnapshot().value]));
  }

  start(): void {
    this.#isRunning = true;
  }

  /** The last connection to a peer is closed. */
  onDisconnect(peerId: string): void {
    const { routingTable } = this.#ports;
    const isFull = this.#watched.size >= maxWatched;
    if (!this.#isRunning || routingTable === undefined || isFull || this.#watched.has(peerId)) return;
    const actor = this.#create(peerId);
    this.#watched.set(peerId, actor);
    actor.subscribe({ complete: () => this.#watched.delete(peerId) });
    actor.start();
  }

  /** There is a connection to a peer. What is not told here is found out before anybody is taken out. */
  onConnect(peerId: string): void {
    this.#watched.get(peerId)?.send({ type: 'peer.returned' });
  }

  stop(): void {
    this.#isRunning = false;
    for (const actor of this.#watched.values()) actor.stop();
    this.#watched.clear();
  }

  #create(peerId: string): DeadPeer {
    const { network, routingTable } = this.#ports;
    const machine = sharing(deadPeerMachine).provide({
      actors: {
        check: fromPromise(() => routingTable!.has(peerId)),
        dial: fromPromise(({ signal }) => this.#gate.run(() => this.#dial(peerId, signal))),
        remove: fromPromise(async () => {
          // It would not come back by itself.
          if (network.isConnected(peerId)) return;
          await routingTable!.remove(peerId);
          network.log('took a dead peer out of the routing table', { peerId });
        }),
      },
    });
    const input = { peerId, graceMs: this.#graceMs(peerId) };
    return createServiceActor(this.#ports, machine, { id: `deadPeer:${peerId}`, input });
  }

  #graceMs(peerId: string): number {
    const { clock, config } = this.#ports;
    const answeredAt = this.#answeredAt.get(peerId);
    const leftMs = answeredAt === undefined ? 0 : answeredAt + restMs - clock.elapsed();
    return Math.max(config.deadPeerGraceMs, leftMs);
  }

  async #dial(peerId: string, signal: AbortSignal): Promise<DeadPeerDial> {
    const { clock, config, dialer, network } = this.#ports;
    // It has waited for its turn.
    signal.throwIfAborted();
    if (network.isConnected(peerId)) return 'reached';
    const deadline = startDeadline(clock, Math.min(config.dialTimeoutMs, maxDialMs), [signal]);
    try {
      const call = { signal: deadline.signal, toldBy: 'peers' } as const;
      await orAbort(dialer.dial(peerId, [], call), deadline.signal);
      this.#answeredAt.set(peerId, clock.elapsed());
      return 'reached';
    } catch {
      if (network.isConnected(peerId)) return 'reached';
      const others = await network.listeners('descriptor');
      return others.length === 0 ? 'alone' : 'unreachable';
    } finally {
      deadline.clear();
    }
  }
}
