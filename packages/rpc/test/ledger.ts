import type { Clock, InspectionEvent } from '@lloom/core';
import type { Rpc } from '../src/index.ts';
import { watchedClock } from './watchedClock.ts';

interface StepOfMachine extends InspectionEvent {
  readonly actorRef: { readonly id: string; readonly logic: { readonly id?: string } };
  readonly snapshot?: { readonly status: string; readonly value: string };
}

/** Those that end with their request. */
const machines = ['request', 'inbound', 'execution'];

/** Everything that one node's service began and has to end. */
export class Ledger {
  /** How each request ended, by its id. */
  readonly told = new Map<string, string[]>();
  /** How inbound requests ended; empty when nobody inspects them. */
  readonly inboundEnds: string[] = [];
  /** Machines of requests that run; empty when nobody inspects them. */
  readonly machines = new Set<object>();
  /** Timers of the service that wait. */
  readonly timers = new Set<unknown>();
  readonly #ended = new Set<object>();
  readonly #endedTwice: string[] = [];

  /** The same clock, whose timers are counted. */
  watch(clock: Clock): Clock {
    return watchedClock(clock, this.timers);
  }

  listen(service: Rpc): void {
    const tell = (requestId: string, end: string): void => {
      this.told.set(requestId, [...(this.told.get(requestId) ?? []), end]);
    };
    service.addEventListener('response:received', ({ detail }) => tell(detail.requestId, 'answered'));
    service.addEventListener('request:failed', ({ detail }) => tell(detail.requestId, detail.error.code));
  }

  readonly inspect = (event: InspectionEvent): void => {
    const { type, actorRef, snapshot } = event as StepOfMachine;
    const machine = actorRef.logic.id;
    if (machine === undefined || !machines.includes(machine)) return;
    if (type === '@xstate.actor') this.machines.add(actorRef);
    if (type !== '@xstate.microstep' || snapshot?.status === 'active') return;
    this.machines.delete(actorRef);
    if (this.#ended.has(actorRef)) this.#endedTwice.push(actorRef.id);
    this.#ended.add(actorRef);
    if (machine === 'inbound' && snapshot !== undefined) this.inboundEnds.push(snapshot.value);
  };

  /** Requests that ended more than once, for their machine or for their listeners. */
  get wrongEnds(): readonly unknown[] {
    return [...this.#endedTwice, ...[...this.told].filter(([, told]) => told.length !== 1)];
  }
}
