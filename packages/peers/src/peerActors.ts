import { createActor, fromCallback, fromPromise, type ActorRefFrom } from 'xstate';
import { type Clock, type Inspector, sharing } from '@lloom/core';

import type { DialInput, PeerInput } from './internal/peerLife.ts';
import { peerMachine } from './machines/peer.machine.ts';
import type { PeerNetwork } from './ports.ts';

/** The running machine of a peer. */
export type PeerActor = ActorRefFrom<typeof peerMachine>;

/** What actors of peers need of the service. */
export interface PeerActorsPorts {
  readonly clock: Clock;
  readonly inspect: { readonly inspect?: Inspector };
  readonly network: Pick<PeerNetwork, 'release'>;
  /** Carries out what the machine of a peer wants while it dials. */
  dial(peerId: string, addresses: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Makes the actors of peers, of one machine and in one system: either is larger than all else that is kept of a peer. */
export class PeerActors {
  readonly #ports: PeerActorsPorts;
  readonly #machine: typeof peerMachine;
  /** Does nothing itself. */
  #root: ActorRefFrom<ReturnType<typeof fromCallback>> | undefined;

  constructor(ports: PeerActorsPorts) {
    this.#ports = ports;
    this.#machine = sharing(peerMachine).provide({
      actors: {
        dial: fromPromise<void, DialInput>(({ input, signal }) =>
          ports.dial(input.peerId, input.addresses, signal),
        ),
        close: fromPromise<void, { readonly peerId: string }>(({ input }) =>
          ports.network.release(input.peerId),
        ),
      },
    });
  }

  /** Makes one; whoever asked starts and stops it. */
  create(input: PeerInput): PeerActor {
    const { clock, inspect } = this.#ports;
    this.#root ??= createActor(
      fromCallback(() => undefined),
      { id: 'peers', clock, ...inspect },
    ).start();
    return createActor(this.#machine, { id: input.peerId, parent: this.#root, clock, input });
  }

  /** When all that it has made are stopped. */
  stop(): void {
    this.#root?.stop();
    this.#root = undefined;
  }
}
