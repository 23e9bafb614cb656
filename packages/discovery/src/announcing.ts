import { fromPromise, type ActorRefFrom } from 'xstate';
import { orAbort, RecentMap, sharing } from '@lloom/core';
import { createServiceActor } from './actors.ts';
import { startDeadline } from './internal/deadline.ts';
import type { Intake } from './internal/intake.ts';
import type { OwnDescriptor } from './internal/ownDescriptor.ts';
import type { Shared } from './internal/shared.ts';
import { Teller } from './internal/telling.ts';
import { announcementMachine, type AnnouncementResult } from './machines/announcement.machine.ts';

/** Newly connected peers are told at once, each so often at most, in ms; so many are remembered. */
const greetingMs = 10_000;
const maxGreeted = 1_024;
/** How long a withdrawal waits for connected peers to be told, in ms. */
const maxWaitMs = 1_000;

/** What announcing needs beside what is shared. */
export interface AnnouncingPorts extends Shared {
  readonly descriptor: Pick<OwnDescriptor, 'announcement' | 'frame' | 'offers'>;
  readonly intake: Pick<Intake, 'announced' | 'relayed'>;
}

/**
 * Tells others what this node offers, and hears what they offer, from one start of the service to its stop: over the
 * connections that there are, and over the channel when there is one.
 */
export class Announcing {
  readonly #ports: AnnouncingPorts;
  readonly #actor: ActorRefFrom<typeof announcementMachine>;
  /** When each peer was greeted last, by the clock that never goes back. */
  readonly #greeted = new RecentMap<number>(maxGreeted);
  readonly #stop = new AbortController();
  readonly #teller: Teller;
  #unsubscribe: (() => void) | undefined;
  #isStarted = false;

  constructor(ports: AnnouncingPorts) {
    this.#ports = ports;
    this.#teller = new Teller({
      ...ports,
      frame: () => ports.descriptor.frame(),
      stop: this.#stop.signal,
      onDropped: (peerId) => this.#greeted.delete(peerId),
    });
    const machine = sharing(announcementMachine).provide({
      actors: { announce: fromPromise(({ signal }) => this.#announce(signal)) },
    });
    const { announcementIntervalMs } = ports.config;
    this.#actor = createServiceActor(ports, machine, {
      id: 'announcement',
      input: { announcementIntervalMs },
    });
  }

  /** The state of the machine. */
  get state(): string {
    return this.#actor.getSnapshot().value;
  }

  /** Hears others from now on, and announces what is offered already. */
  start(): void {
    const { channel, descriptor, intake } = this.#ports;
    this.#unsubscribe = channel?.subscribe((frame) => intake.relayed(frame));
    this.#actor.start();
    this.#isStarted = true;
    if (descriptor.offers.length > 0) this.change();
  }

  /** Something that is offered has changed. */
  change(): void {
    if (this.#isStarted) this.#actor.send({ type: 'announcement.change' });
  }

  /** An offer was taken back. Resolves when connected peers were told, and after a second at the latest. */
  async withdraw(): Promise<void> {
    if (!this.#isStarted) return;
    const { clock } = this.#ports;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimeout(() => resolve(), maxWaitMs);
    this.#actor.send({ type: 'announcement.withdraw' });
    const subscription = this.#actor.subscribe({
      next: ({ value }) => {
        if (value !== 'announcing') resolve();
      },
      complete: resolve,
    });
    await promise;
    clock.clearTimeout(timer);
    subscription.unsubscribe();
  }

  /** A peer has connected and listens: it is told what is offered, so that it need not look for it. */
  greet(peerId: string): void {
    const { clock, descriptor } = this.#ports;
    const nowMs = clock.elapsed();
    const isGreeted = nowMs - (this.#greeted.get(peerId) ?? Number.NEGATIVE_INFINITY) < greetingMs;
    if (isGreeted || descriptor.offers.length === 0) return;
    this.#greeted.set(peerId, nowMs);
    this.#teller.greet(peerId);
  }

  /** A frame that a peer announces of itself; the answer is empty. Rejects when it proves nothing. */
  async hear(peerId: string, frame: Uint8Array): Promise<Uint8Array> {
    await this.#ports.intake.announced(peerId, frame);
    return new Uint8Array();
  }

  stop(): void {
    this.#isStarted = false;
    this.#unsubscribe?.();
    this.#stop.abort();
    this.#actor.stop();
  }

  async #announce(signal: AbortSignal): Promise<AnnouncementResult> {
    const { channel, clock, config, descriptor, network } = this.#ports;
    const beganAtMs = clock.elapsed();
    const deadline = startDeadline(clock, config.announcementIntervalMs / 2, [signal]);
    try {
      const listeners = await orAbort(network.listeners('announce'), deadline.signal);
      // What nobody would hear need not be signed.
      if (listeners.length > 0 || channel !== undefined) {
        const frame = await orAbort(descriptor.announcement(), deadline.signal);
        const publish = async (): Promise<void> => channel?.publish(frame);
        const tasks = [publish(), this.#teller.all(listeners, frame, deadline.signal)];
        const results = await orAbort(Promise.allSettled(tasks), deadline.signal);
        for (const result of results)
          if (result.status === 'rejected') network.logError('could not announce', result.reason);
      }
    } catch (error) {
      network.logError('could not announce', error);
    } finally {
      deadline.clear();
    }
    return { hasOffers: descriptor.offers.length > 0, tookMs: clock.elapsed() - beganAtMs };
  }
}
