import {
  createActor,
  type ActorOptions,
  type ActorRefFrom,
  type AnyStateMachine,
  type InputFrom,
} from 'xstate';
import type { Shared } from './internal/shared.ts';

/** What machines run with. */
export type ActorPorts = Pick<Shared, 'clock' | 'inspect' | 'random' | 'router'>;

/** The one place where actors are made: with the ports of the service, and with their errors heard. */
export function createServiceActor<M extends AnyStateMachine>(
  { clock, inspect, random, router }: ActorPorts,
  machine: M,
  { id, input }: { readonly id: string; readonly input?: Omit<InputFrom<M>, 'seed'> },
): ActorRefFrom<M> {
  const seed = Math.floor(random.float() * 2 ** 32);
  const options = { id, clock, input: { ...input, seed }, ...(inspect !== undefined && { inspect }) };
  const actor = createActor(machine, options as unknown as ActorOptions<M>);
  actor.subscribe({ error: (error) => router.logError('a machine failed', error, { machine: id }) });
  return actor as unknown as ActorRefFrom<M>;
}
