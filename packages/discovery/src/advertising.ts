import type { ServiceType } from '@lloom/codec';
import { sharing } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { DiscoveryError } from './errors.ts';
import type { OwnDescriptor } from './internal/ownDescriptor.ts';
import { publishKeys, retireKeys } from './internal/publishing.ts';
import { keysOf } from './internal/services.ts';
import type { Shared } from './internal/shared.ts';
import { advertisementMachine } from './machines/advertisement.machine.ts';
import type { ServiceKind } from './types.ts';

type Advertisement = ActorRefFrom<typeof advertisementMachine>;

/** What advertising needs beside what is shared. */
export interface AdvertisingPorts extends Shared {
  /** The offers as they are now. */
  readonly descriptor: Pick<OwnDescriptor, 'offer'>;
  /** Fires when the service stops. */
  readonly stop: AbortSignal;
}

/** Keeps the keys of the offers in the DHT, from one start of the service to its stop: a machine for each kind. */
export class Advertising {
  readonly #ports: AdvertisingPorts;
  readonly #advertisements = new Map<ServiceKind, Advertisement>();
  /** Offers that the DHT has taken. */
  readonly #advertised = new WeakSet<ServiceType>();

  constructor(ports: AdvertisingPorts) {
    this.#ports = ports;
  }

  /** The state of the machine of a kind; `undefined` when there is none. */
  stateOf(kind: ServiceKind): string | undefined {
    return this.#advertisements.get(kind)?.getSnapshot().value;
  }

  /** Publishes the keys of an offer that is new, or has changed. */
  advertise(offer: ServiceType): void {
    const keys = keysOf(offer, this.#ports.network.peerId);
    const present = this.#advertisements.get(offer.kind);
    if (present !== undefined) return present.send({ type: 'advertisement.update', keys });
    const advertisement = this.#create(offer.kind, keys);
    this.#advertisements.set(offer.kind, advertisement);
    advertisement.subscribe({ complete: () => this.#advertisements.delete(offer.kind) });
    advertisement.start();
  }

  /** Resolves when the keys of a kind are taken back, or the service stops. */
  async withdraw(kind: ServiceKind): Promise<void> {
    const advertisement = this.#advertisements.get(kind);
    if (advertisement === undefined) return;
    const { stop } = this.#ports;
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => resolve();
    stop.addEventListener('abort', end, { once: true });
    const subscription = advertisement.on('advertisement.withdrawn', end);
    advertisement.send({ type: 'advertisement.withdraw' });
    await promise;
    subscription.unsubscribe();
    stop.removeEventListener('abort', end);
  }

  /** There are peers that could take keys: what waits for its next try goes on now. */
  wake(): void {
    for (const actor of this.#advertisements.values()) actor.send({ type: 'peers.found' });
  }

  /** Publishes every key again: others hold them with addresses of this node that have changed. */
  republish(): void {
    for (const actor of this.#advertisements.values()) actor.send({ type: 'advertisement.republish' });
  }

  stop(): void {
    for (const actor of this.#advertisements.values()) actor.stop();
  }

  #create(kind: ServiceKind, keys: readonly string[]): Advertisement {
    const { config, descriptor, events, network } = this.#ports;
    const machine = sharing(advertisementMachine).provide({
      actors: {
        publish: fromPromise(({ input, signal }) => publishKeys(this.#ports, input, signal)),
        retire: fromPromise(({ input, signal }) => retireKeys(this.#ports, input.keys, signal)),
      },
    });
    const { republishIntervalMs } = config;
    const input = { keys, republishIntervalMs };
    const actor = createServiceActor(this.#ports, machine, { id: `advertisement:${kind}`, input });
    actor.on('advertisement.published', () => {
      const service = descriptor.offer(kind);
      if (service === undefined || this.#advertised.has(service)) return;
      this.#advertised.add(service);
      network.log('advertised a service', { kind });
      events.emit('service:advertised', { service });
    });
    actor.on('advertisement.retrying', ({ problem, delayMs }) => {
      const service = descriptor.offer(kind);
      const error = new DiscoveryError('PUBLISH_FAILED', { kind, reason: problem });
      network.log('could not advertise a service', { kind, problem, delayMs });
      if (service !== undefined) events.emit('service:retrying', { service, delayMs, error });
    });
    return actor;
  }
}
