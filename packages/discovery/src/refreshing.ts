import { fromPromise, type ActorRefFrom } from 'xstate';
import { sharing } from '@lloom/core';
import { createServiceActor } from './actors.ts';
import { DiscoveryError } from './errors.ts';
import type { Finder } from './internal/finder.ts';
import type { Shared } from './internal/shared.ts';
import { Waiters } from './internal/waiters.ts';
import { refreshMachine } from './machines/refresh.machine.ts';

/** Looks again for what was looked for, from one start of the service to its stop. */
export class Refreshing {
  readonly #waiters = new Waiters('refreshServices');
  readonly #actor: ActorRefFrom<typeof refreshMachine>;

  constructor(ports: Shared & { readonly finder: Pick<Finder, 'refresh'> }) {
    const machine = sharing(refreshMachine).provide({
      actors: { query: fromPromise(({ signal }) => ports.finder.refresh(signal)) },
    });
    const { discoveryIntervalMs } = ports.config;
    this.#actor = createServiceActor(ports, machine, { id: 'refresh', input: { discoveryIntervalMs } });
    this.#actor.on('refresh.done', () => this.#waiters.settle());
    this.#actor.on('refresh.failed', () => {
      const data = { key: 'all interests', reason: 'not one search worked' };
      this.#waiters.settle(new DiscoveryError('QUERY_FAILED', data));
    });
  }

  /** The state of the machine. */
  get state(): string {
    return this.#actor.getSnapshot().value;
  }

  start(): void {
    this.#actor.start();
  }

  /** Resolves when everything was looked for again; a round that is under way is shared. */
  async refresh(signal: AbortSignal | undefined): Promise<void> {
    await this.#waiters.next(signal, () => this.#actor.send({ type: 'refresh.run' }));
  }

  stop(): void {
    this.#actor.stop();
    this.#waiters.stop();
  }
}
