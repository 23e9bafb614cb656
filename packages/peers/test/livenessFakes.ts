import { SimulatedClock } from 'xstate';

import { peersDefaults, type ResolvedPeersConfig } from '../src/config.ts';
import type { CloseCause } from '../src/events.ts';
import { Liveness } from '../src/liveness.ts';
import type { NetworkConnection } from '../src/ports.ts';

/** Lets everything that waits for a promise go on. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A ping that ends when a test says so. */
export interface FakePing {
  readonly at: number;
  readonly signal: AbortSignal;
  readonly answer: () => void;
  readonly fail: (error: unknown) => void;
}

/** A connection whose peer answers pings as a test says. */
export class PingedConnection implements NetworkConnection {
  readonly id: string;
  readonly peerId = 'peer';
  readonly info: NetworkConnection['info'] = {
    direction: 'outbound',
    remoteAddress: '/memory/1',
    transport: 'memory',
    relayed: false,
    openedAt: 0,
  };
  readonly isInUse = false;
  readonly lastUsedAt = 0;
  readonly pings: FakePing[] = [];
  isOpen = true;
  /** `answers` at once, `fails` at once, `waits` for the test, or `ignores` even the end of the ping. */
  mood: 'answers' | 'fails' | 'waits' | 'ignores' = 'answers';
  readonly #now: () => number;

  constructor(id: string, now: () => number) {
    this.id = id;
    this.#now = now;
  }

  ping(signal: AbortSignal): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.pings.push({ at: this.#now(), signal, answer: () => resolve(1), fail: reject });
    if (this.mood === 'answers') resolve(1);
    else if (this.mood === 'fails') reject(new Error('it cannot be'));
    else if (this.mood === 'waits') signal.addEventListener('abort', () => reject(new Error('aborted')));
    return promise;
  }

  /** Pings that have not been ended from this side. */
  get underWay(): number {
    return this.pings.filter(({ signal }) => !signal.aborted).length;
  }

  close(): Promise<void> {
    this.isOpen = false;
    return Promise.resolve();
  }
}

/** A liveness with connections, time and everything that it said. */
export class Room {
  readonly clock = new SimulatedClock();
  readonly connections: PingedConnection[] = [];
  readonly dead: { readonly id: string; readonly at: number; readonly cause: CloseCause }[] = [];
  readonly logged: unknown[] = [];
  readonly liveness: Liveness;
  /** Timers that wait. */
  readonly timers = new Set<unknown>();
  onDead = (connection: NetworkConnection): unknown => connection.close();

  constructor(config: Partial<ResolvedPeersConfig> = {}) {
    const { clock } = this;
    this.liveness = new Liveness({
      clock: {
        now: () => clock.now(),
        elapsed: () => clock.now(),
        setTimeout: (fn, ms) => {
          const id: unknown = clock.setTimeout(() => {
            this.timers.delete(id);
            fn();
          }, ms);
          this.timers.add(id);
          return id;
        },
        clearTimeout: (id) => {
          this.timers.delete(id);
          clock.clearTimeout(id as number);
        },
      },
      config: { ...peersDefaults, ...config },
      connections: () => this.connections,
      onDead: (connection, cause) => {
        this.dead.push({ id: connection.id, at: clock.now(), cause });
        this.onDead(connection);
      },
      log: (_, error) => void this.logged.push(error),
    });
  }

  open(count = 1): PingedConnection[] {
    const opened = Array.from({ length: count }, (_, index) => {
      const id = `c${this.connections.length + index}`;
      return new PingedConnection(id, () => this.clock.now());
    });
    this.connections.push(...opened);
    return opened;
  }

  /** Lets time pass as it does while nothing computes. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.increment(Math.min(100, left));
      await turn();
    }
  }

  /** Lets time pass while this program computes: timers come late, and nothing is read meanwhile. */
  async stall(ms: number): Promise<void> {
    this.clock.increment(ms);
    await turn();
  }
}
