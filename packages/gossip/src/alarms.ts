import type { ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { hints } from './internal/hints.ts';
import type { Shared } from './internal/shared.ts';
import { alarmMachine } from './machines/alarm.machine.ts';

/** What may be wrong with the whole node. */
export type Alarm = 'OVERLOADED' | 'CLOCK_SKEW';

/** A cause is passed on so often at most, in ms: there may be thousands a second. */
const pauseMs = 1_000;

/** What telling of alarms takes. */
export interface AlarmsPorts extends Shared {
  /** Peers of all topics, and how many of them are in a mesh. */
  readonly links: () => { readonly topicPeers: number; readonly meshPeers: number };
}

interface Entry {
  readonly actor: ActorRefFrom<typeof alarmMachine>;
  /** By the clock that never goes back. */
  causedAtMs: number;
  raisedAtMs: number;
  hint: string;
}

/** Tells what is wrong with the whole node, from one start of the service to its stop. */
export class Alarms {
  readonly #ports: AlarmsPorts;
  readonly #entries: ReadonlyMap<Alarm, Entry>;

  constructor(ports: AlarmsPorts) {
    this.#ports = ports;
    const alarms = ['OVERLOADED', 'CLOCK_SKEW'] as const;
    this.#entries = new Map(alarms.map((alarm) => [alarm, this.#create(alarm)]));
  }

  /** The alarms that are raised. */
  get raised(): readonly Alarm[] {
    const entries = Array.from(this.#entries);
    return entries.filter(([, { actor }]) => actor.getSnapshot().value === 'raised').map(([alarm]) => alarm);
  }

  /** There is a cause for an alarm. */
  cause(alarm: Alarm, hint: string = hints[alarm]): void {
    const entry = this.#entries.get(alarm);
    const nowMs = this.#ports.clock.elapsed();
    if (entry === undefined || nowMs - entry.causedAtMs < pauseMs) return;
    entry.causedAtMs = nowMs;
    entry.hint = hint;
    entry.actor.send({ type: 'alarm.cause' });
  }

  start(): void {
    for (const { actor } of this.#entries.values()) actor.start();
  }

  stop(): void {
    for (const { actor } of this.#entries.values()) actor.stop();
  }

  #create(reason: Alarm): Entry {
    const { clock, events, links, router } = this.#ports;
    const actor = createServiceActor(this.#ports, alarmMachine, { id: `alarm:${reason}` });
    const entry = { actor, causedAtMs: Number.NEGATIVE_INFINITY, raisedAtMs: 0, hint: '' };
    actor.on('alarm.raised', () => {
      entry.raisedAtMs = clock.elapsed();
      router.log('an alarm is raised', { reason });
      events.emit('gossip:degraded', { reason, ...links(), hint: entry.hint });
    });
    actor.on('alarm.over', () => {
      const degradedMs = clock.elapsed() - entry.raisedAtMs;
      router.log('an alarm is over', { reason, degradedMs });
      events.emit('gossip:recovered', { reason, degradedMs });
    });
    return entry;
  }
}
