import { fromPromise, type ActorRefFrom } from 'xstate';
import { sharing } from '@lloom/core';
import { createServiceActor } from './actors.ts';
import { DiscoveryError } from './errors.ts';
import type { BootstrapPeers } from './internal/bootstrapPeers.ts';
import type { Finder } from './internal/finder.ts';
import type { Shared } from './internal/shared.ts';
import { Waiters } from './internal/waiters.ts';
import { bootstrapMachine } from './machines/bootstrap.machine.ts';

/** What joining needs beside what is shared. */
export interface JoiningPorts extends Shared {
  /** Through whom. */
  readonly peers: BootstrapPeers;
  readonly finder: Pick<Finder, 'findSelf'>;
  /** Called when a look-up has found peers. */
  readonly onFound: () => void;
  /** Called when this node has joined again after it was cut off. */
  readonly onRejoined: () => void;
}

/** Joins the network and keeps this node in it, from one start of the service to its stop. */
export class Joining {
  readonly #ports: JoiningPorts;
  readonly #waiters = new Waiters('bootstrap');
  readonly #actor: ActorRefFrom<typeof bootstrapMachine>;
  #hasJoined = false;
  #isCutOff = false;

  constructor(ports: JoiningPorts) {
    this.#ports = ports;
    this.#actor = this.#create();
  }

  /** The state of the machine. */
  get state(): string {
    return this.#actor.getSnapshot().value;
  }

  /** Whether this node is part of the network: one without bootstrap peers is where others join it, whoever it knows. */
  get isJoined(): boolean {
    return this.#ports.peers.isEmpty || (this.#hasJoined && !this.#isCutOff);
  }

  /** Joins when there is anybody through whom. */
  start(): void {
    this.#actor.start();
    if (!this.#ports.peers.isAlone) this.#actor.send({ type: 'bootstrap.run' });
  }

  /** Resolves when a bootstrap peer answered. */
  async join(signal: AbortSignal | undefined): Promise<void> {
    await this.#waiters.next(signal, () => {
      // A round that is under way is shared, unless it cannot know the newest peers.
      const isUnderWay = !['idle', 'joined', 'backingOff'].includes(this.state);
      if (!isUnderWay || this.#ports.peers.hasNew) this.#actor.send({ type: 'bootstrap.run' });
    });
  }

  /** The last connection to a peer is closed. */
  onDisconnect(peerId: string): void {
    if (!this.#ports.peers.hasLostLast(peerId)) return;
    this.#isCutOff = true;
    this.#actor.send({ type: 'bootstrap.lost' });
  }

  stop(): void {
    this.#actor.stop();
    this.#waiters.stop();
  }

  #create(): ActorRefFrom<typeof bootstrapMachine> {
    const { config, events, finder, network, onFound, onRejoined, peers } = this.#ports;
    const machine = sharing(bootstrapMachine).provide({
      actors: {
        dial: fromPromise(({ signal }) => peers.dialAll(signal)),
        lookUp: fromPromise(({ signal }) => finder.findSelf('bootstrap', { signal })),
      },
    });
    const { bootstrapIntervalMs } = config;
    const actor = createServiceActor(this.#ports, machine, {
      id: 'bootstrap',
      input: { bootstrapIntervalMs },
    });
    actor.on('bootstrap.joined', ({ peerIds, foundPeers }) => {
      if (foundPeers > 0) onFound();
      if (this.#hasJoined && this.#isCutOff) onRejoined();
      [this.#hasJoined, this.#isCutOff] = [true, false];
      network.log('joined', { answered: peerIds.length, foundPeers });
      events.emit('bootstrap:joined', { peerIds, foundPeers });
      this.#waiters.settle();
    });
    actor.on('bootstrap.failed', ({ failures, delayMs }) => {
      const error = new DiscoveryError('BOOTSTRAP_FAILED', { failures });
      this.#isCutOff = true;
      network.log('could not join', { failures: failures.length, delayMs });
      events.emit('bootstrap:retrying', { delayMs, error });
      this.#waiters.settle(error);
    });
    return actor;
  }
}
