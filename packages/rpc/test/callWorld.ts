import type { TestNetworkConfig } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import {
  RpcError,
  type AlternativeQuery,
  type AlternativeSource,
  type Handler,
  type RequestId,
  type RpcEvents,
} from '../src/index.ts';
import { question } from './nodes.ts';
import { nodes, pause, type SimNode, type SimNodeConfig } from './simulation.ts';

/** Streams of requests are closed two seconds after their last word at the latest. */
export const lingerMs = 2_000;

/** Other providers, the best one first. */
export class Directory implements AlternativeSource {
  /** Those that are known. */
  known: readonly string[] = [];
  /** Those that have to be looked for. */
  hidden: readonly string[] = [];
  /** How long looking for one takes. */
  searchMs = 0;
  readonly queries: AlternativeQuery[] = [];
  readonly searches: AlternativeQuery[] = [];

  find(query: AlternativeQuery): string | undefined {
    this.queries.push(query);
    return first(this.known, query);
  }

  async search(query: AlternativeQuery): Promise<string | undefined> {
    this.searches.push(query);
    await pause(this.searchMs);
    return first([...this.known, ...this.hidden], query);
  }
}

function first(names: readonly string[], { peerId, exclude }: AlternativeQuery): string | undefined {
  return names.find((name) => name !== peerId && !exclude.includes(name));
}

type Retry = RpcEvents['request:retrying'] & { readonly atMs: number };

interface WorldConfig extends Partial<Pick<TestNetworkConfig<SimNode>, 'link' | 'seed' | 'fidelity'>> {
  readonly asker?: SimNodeConfig;
  /** By name; all of them are known to serve the model. */
  readonly executors: Readonly<Record<string, SimNodeConfig>>;
}

/** A client, and executors 50 ms away from it, with which it has sessions. */
export async function createWorld(
  createNetwork: NetworkFixture['createNetwork'],
  { asker: askerConfig = {}, executors, ...rest }: WorldConfig,
) {
  const directory = new Directory();
  const names = Object.keys(executors);
  const network = await createNetwork<SimNode>({
    link: { delayMs: 50 },
    ...rest,
    nodes: ['asker', ...names],
    createNode: nodes({ asker: { alternatives: directory, ...askerConfig }, ...executors }),
  });
  const asker = network.node('asker');
  const all = [...network.nodes.values()];
  directory.known = names.map((name) => network.node(name).peerId);
  const retries: Retry[] = [];
  asker.rpc.addEventListener('request:retrying', ({ detail }) =>
    retries.push({ ...detail, atMs: network.clock.elapsed() }),
  );
  const greet = async (name: string): Promise<void> => {
    await network.run(asker.rpc.request(network.node(name).peerId, { type: 'ping' }));
  };
  for (const [name, { misbehave, misbehaveInSession }] of Object.entries(executors))
    if (misbehave === undefined && misbehaveInSession === undefined) await greet(name);
  const startMs = network.clock.elapsed();
  return {
    network,
    asker,
    directory,
    retries,
    /** The peer id of an executor. */
    id: (name: string): string => network.node(name).peerId,
    /** The name of an executor. */
    nameOf: (peerId: string): string | undefined =>
      [...network.nodes].find(([, node]) => node.peerId === peerId)?.[0],
    /** A signed question to an executor. */
    question: (name: string, input: Parameters<typeof question>[2] = {}) =>
      question(asker.identity, network.node(name).identity, input),
    /** How long it is since the sessions have been made, in ms. */
    elapsed: (): number => network.clock.elapsed() - startMs,
    /** How a request ends that is told of by events: its response, or its error. */
    outcome: (requestId: RequestId): Promise<unknown> => outcomeOf(asker, requestId),
    /** Ends the story: nothing may be left of it anywhere. */
    end: async (): Promise<void> => {
      await network.runFor(lingerMs + 1_000);
      for (const node of network.nodes.values()) node.expectNothingLeft();
      await network.stop();
      for (const { ledger } of all)
        expect([ledger.wrongEnds, ledger.machines.size, ledger.timers.size]).toEqual([[], 0, 0]);
    },
  };
}

function outcomeOf({ rpc }: SimNode, requestId: RequestId): Promise<unknown> {
  const outcome = new Promise<unknown>((resolve, reject) => {
    rpc.addEventListener('response:received', ({ detail }) => {
      if (detail.requestId === requestId) resolve(detail.response);
    });
    rpc.addEventListener('request:failed', ({ detail }) => {
      if (detail.requestId === requestId) reject(detail.error);
    });
  });
  outcome.catch(() => undefined);
  return outcome;
}

/** A handler that is watched: when it was called, and when its signal fired, in ms of virtual time. */
export function watched(handler: Handler) {
  const calls: number[] = [];
  const stops: number[] = [];
  const serve: Handler = (request, context) => {
    calls.push(performance.now());
    context.signal.addEventListener('abort', () => stops.push(performance.now()));
    return handler(request, context);
  };
  return { serve, calls, stops };
}

/** Fails each time with what it is given, and answers behind all of them. */
export function failing(errors: readonly Error[], then: Handler): Handler {
  let calls = 0;
  return (request, context) => {
    const error = errors[calls++];
    if (error !== undefined) throw error;
    return then(request, context);
  };
}

/** Never answers; gives up when its signal fires. */
export const silent: Handler = (_request, { signal }) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));

/** The error that a request ended with. */
export async function errorOf(request: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await request.then(
    (value) => expect.fail(`Expected a failure, got ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (RpcError.is(error)) return error;
  throw error;
}

/** Fails unless a number lies between two others, or is one of them. */
export function expectBetween(value: number | undefined, least: number, most: number): void {
  expect(value).toBeGreaterThanOrEqual(least);
  expect(value).toBeLessThanOrEqual(most);
}
