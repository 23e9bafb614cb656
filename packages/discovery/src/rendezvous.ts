import { fromPromise, type ActorRefFrom } from 'xstate';
import { sharing } from '@lloom/core';
import { createServiceActor } from './actors.ts';
import { Gate } from './internal/gate.ts';
import { publishKeys, retireKeys } from './internal/publishing.ts';
import { rendezvousKey, type RendezvousNames } from './internal/rendezvousNames.ts';
import type { Shared } from './internal/shared.ts';
import { advertisementMachine } from './machines/advertisement.machine.ts';

type Advertisement = ActorRefFrom<typeof advertisementMachine>;

/** Names that are put into the DHT at the same time: after a start or a change of addresses all of them are due. */
const concurrency = 4;

/** What a rendezvous needs beside what is shared. */
export interface RendezvousPorts extends Shared {
  /** The names as they are joined now. */
  readonly names: RendezvousNames;
}

/** Keeps this node in the DHT under the names that it has joined, from one start of the service to its stop. */
export class Rendezvous {
  readonly #ports: RendezvousPorts;
  readonly #gate = new Gate(concurrency);
  readonly #advertisements = new Map<string, Advertisement>();
  #isRunning = false;

  constructor(ports: RendezvousPorts) {
    this.#ports = ports;
  }

  /** The state of the machine of a name; `undefined` when there is none. */
  stateOf(name: string): string | undefined {
    return this.#advertisements.get(name)?.getSnapshot().value;
  }

  start(): void {
    const { names } = this.#ports;
    this.#isRunning = true;
    for (const name of names.takeLeft()) {
      this.#begin(name);
      this.update(name);
    }
    for (const name of names.all) this.update(name);
  }

  /** A name was joined for the first time, or left for the last. */
  update(name: string): void {
    const present = this.#advertisements.get(name);
    if (!this.#ports.names.has(name)) return present?.send({ type: 'advertisement.withdraw' });
    if (present !== undefined)
      return present.send({ type: 'advertisement.update', keys: [rendezvousKey(name)] });
    if (this.#isRunning) this.#begin(name);
  }

  /** There are peers that could take names: what waits for its next try goes on now. */
  wake(): void {
    for (const actor of this.#advertisements.values()) actor.send({ type: 'peers.found' });
  }

  /** Publishes every name again: others hold it with addresses of this node that have changed. */
  republish(): void {
    for (const actor of this.#advertisements.values()) actor.send({ type: 'advertisement.republish' });
  }

  stop(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#ports.names.keep(this.#advertisements.keys());
    for (const actor of this.#advertisements.values()) actor.stop();
  }

  #begin(name: string): void {
    const { config, network } = this.#ports;
    const machine = sharing(advertisementMachine).provide({
      actors: {
        publish: fromPromise(({ input, signal }) =>
          this.#gate.run(() => publishKeys(this.#ports, input, signal)),
        ),
        retire: fromPromise(({ input, signal }) => retireKeys(this.#ports, input.keys, signal)),
      },
    });
    const { republishIntervalMs } = config;
    const input = { keys: [rendezvousKey(name)], republishIntervalMs };
    const actor = createServiceActor(this.#ports, machine, { id: `rendezvous:${name}`, input });
    actor.on('advertisement.published', () => network.log('joined a rendezvous', { name }));
    actor.on('advertisement.retrying', ({ problem, delayMs }) =>
      network.log('could not join a rendezvous', { name, problem, delayMs }),
    );
    this.#advertisements.set(name, actor);
    actor.subscribe({ complete: () => this.#advertisements.delete(name) });
    actor.start();
  }
}
