import { orAbort, RecentMap } from '@lloom/core';
import { startDeadline } from './deadline.ts';
import { Gate } from './gate.ts';
import type { Shared } from './shared.ts';

/** Peers that are told at the same time, and in all. */
const concurrency = 32;
const maxListeners = 1_024;
/** How long one peer may keep the next one waiting, in ms: a peer is this far away at most, or silent. */
const turnMs = 250;
/** Peers of which is known whether they answered; those told longest ago go first. */
const maxAnswers = 2 * maxListeners;
/** Newly connected peers that wait; beyond, the one that waits longest is left to the next announcement. */
const maxWaiting = 256;

/** What telling needs. */
export interface TellingPorts extends Pick<Shared, 'clock' | 'config' | 'network'> {
  /** What newly connected peers are told. */
  readonly frame: () => Promise<Uint8Array>;
  readonly stop: AbortSignal;
  /** A newly connected peer is not told. */
  readonly onDropped: (peerId: string) => void;
}

/** A peer that is being told. Neither promise ever rejects. */
interface Telling {
  /** The frame is on its way, or the next one need not wait for that any longer. */
  readonly sent: Promise<void>;
  /** It has answered, or was given up. */
  readonly ended: Promise<void>;
}

/** Tells peers over their connections what this node offers. Whoever takes part and says nothing holds up nobody. */
export class Teller {
  readonly #ports: TellingPorts;
  /** Whether each peer has answered when it was told last. */
  readonly #hasAnswered = new RecentMap<boolean>(maxAnswers);
  /** Newly connected peers, in the order in which they came. */
  readonly #waiting = new Set<string>();
  #greeting = 0;

  constructor(ports: TellingPorts) {
    this.#ports = ports;
  }

  /** Tells these peers, first those that answered last time, and last those that did not. Resolves when all have ended. */
  async all(listeners: readonly string[], frame: Uint8Array, signal: AbortSignal): Promise<void> {
    const gate = new Gate(concurrency);
    const rank = (peerId: string): number => Number(this.#hasAnswered.get(peerId) ?? 0.5);
    const inOrder = listeners.toSorted((a, b) => rank(b) - rank(a)).slice(0, maxListeners);
    const tell = async (peerId: string): Promise<void> => {
      const telling = await gate.run(async () => {
        const begun = this.#tell(peerId, frame, signal);
        await begun.sent;
        return begun;
      });
      await telling.ended;
    };
    await Promise.all(inOrder.map(tell));
  }

  /** Tells a newly connected peer, when it is its turn. */
  greet(peerId: string): void {
    this.#waiting.add(peerId);
    void this.#greetNext();
    const [oldest] = this.#waiting;
    if (this.#waiting.size <= maxWaiting || oldest === undefined) return;
    this.#waiting.delete(oldest);
    this.#ports.onDropped(oldest);
  }

  async #greetNext(): Promise<void> {
    const { frame, network, stop } = this.#ports;
    const [peerId] = this.#waiting;
    if (peerId === undefined || this.#greeting >= concurrency || stop.aborted) return;
    this.#waiting.delete(peerId);
    this.#greeting++;
    try {
      await this.#tell(peerId, await frame(), stop).sent;
    } catch (error) {
      network.logError('could not greet a peer', error, { peerId });
    }
    this.#greeting--;
    void this.#greetNext();
  }

  #tell(peerId: string, frame: Uint8Array, signal: AbortSignal): Telling {
    const { promise: sent, resolve: onSent } = Promise.withResolvers<void>();
    return { sent, ended: this.#ask(peerId, { frame, signal, onSent }) };
  }

  /** Never rejects: a peer that does not listen asks when it wants to know. */
  async #ask(
    peerId: string,
    { frame, signal, onSent }: { frame: Uint8Array; signal: AbortSignal; onSent: () => void },
  ): Promise<void> {
    if (signal.aborted) return onSent();
    const { clock, config, network } = this.#ports;
    const turn = clock.setTimeout(onSent, turnMs);
    const deadline = startDeadline(clock, config.descriptorTimeoutMs, [signal]);
    const request = { exchange: 'announce', frame, signal: deadline.signal, onSent } as const;
    try {
      await orAbort(network.ask(peerId, request), deadline.signal);
      this.#hasAnswered.set(peerId, true);
    } catch (error) {
      // Who was cut off by the next announcement might have answered.
      if (!signal.aborted) this.#hasAnswered.set(peerId, false);
      network.logError('could not tell a peer what is offered', error, { peerId });
    } finally {
      clock.clearTimeout(turn);
      deadline.clear();
      onSent();
    }
  }
}
