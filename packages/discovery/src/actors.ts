import {
  createActor,
  type ActorOptions,
  type ActorRefFrom,
  type AnyStateMachine,
  type InputFrom,
} from 'xstate';
import type { Shared } from './internal/shared.ts';

/** What machines run with. */
export type ActorPorts = Pick<Shared, 'clock' | 'config' | 'inspect' | 'network' | 'random'>;

/** The one place where actors are made: with the ports of the service, and with their errors heard. */
export function createServiceActor<M extends AnyStateMachine>(
  { clock, config, inspect, network, random }: ActorPorts,
  machine: M,
  { id, input }: { readonly id: string; readonly input: Omit<InputFrom<M>, 'retry' | 'seed'> },
): ActorRefFrom<M> {
  const { retryDelayMs, maxRetryDelayMs } = config;
  const seed = Math.floor(random.float() * 2 ** 32);
  const complete = { ...input, retry: { retryDelayMs, maxRetryDelayMs }, seed };
  const options = { id, clock, input: complete, ...(inspect !== undefined && { inspect }) };
  const actor = createActor(machine, options as unknown as ActorOptions<M>);
  actor.subscribe({ error: (error) => network.logError('a machine failed', error, { machine: id }) });
  return actor as unknown as ActorRefFrom<M>;
}
