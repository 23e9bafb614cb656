import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import type { Stream } from '@libp2p/interface';
import { createLibp2p } from 'libp2p';
import { toHex, type Clock, type InspectionEvent, type Verifier } from '@lloom/core';
import { Identity } from '@lloom/identity';
import type { SimHost, TestNetworkConfig } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import {
  rpc,
  RpcError,
  type AnswerPiece,
  type AnswerStream,
  type Handler,
  type Rpc,
  type RpcConfig,
} from '../src/index.ts';
import { protocol } from './nodes.ts';
import { totals, type Misbehaviour } from './misbehaviour.ts';

/** Streams as objects, and as in production. */
export const fidelities = ['fast', 'full'] as const;

/** How a simulated node differs from one with all defaults. */
export interface SimNodeConfig extends RpcConfig {
  /** Its handler, when it has one. */
  readonly serve?: Handler;
  /** What it does with a stream of ours instead of serving requests. */
  readonly misbehave?: Misbehaviour;
  /** How long it takes to verify a signature, in ms. */
  readonly verifyMs?: number;
}

/** A node of a simulated network, and what it must not leave behind. */
export type SimNode = Awaited<ReturnType<typeof startNode>>;

async function startNode(host: SimHost, { serve, misbehave, verifyMs = 0, ...config }: SimNodeConfig) {
  const { address, stack, random } = host;
  const ledger = new Ledger();
  const clock = ledger.watch(host.clock);
  const identity = Identity.fromPrivateKey(toHex(host.keyBytes), { clock, random });
  const verifier = slow(identity.verifier(), verifyMs);
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: [address] },
    ...stack,
    // As in the whole behaviour: a peer that computes for seconds is not dead.
    connectionMonitor: { abortConnectionOnPingFailure: false },
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: {
      identify: identify(),
      ping: ping(),
      rpc: rpc({ clock, random, signer: identity.signer(), verifier, inspect: ledger.inspect, ...config }),
    },
  });
  const service: Rpc = node.services.rpc;
  ledger.listen(service);
  if (serve !== undefined) service.serve(serve);
  if (misbehave !== undefined) await node.handle(protocol, misbehave, { force: true });
  /** The streams of requests, of ours and of others. */
  const streams = (): Stream[] => {
    const all = node.getConnections().flatMap((connection) => connection.streams);
    return all.filter((stream) => stream.protocol === protocol);
  };
  /** Fails unless every request has ended and has told so exactly once, and nothing of them is left. */
  const expectNothingLeft = (): void => {
    expect(ledger.wrongEnds).toEqual([]);
    expect({
      pending: service.pendingRequests(),
      inbound: service.activeInbound,
      streams: streams().length,
      machines: ledger.machines.size,
      timers: ledger.timers.size,
    }).toEqual({ pending: [], inbound: 0, streams: 0, machines: 0, timers: 0 });
  };
  const stop = async (): Promise<void> => node.stop();
  return { node, identity, rpc: service, peerId: identity.peerId, ledger, streams, expectNothingLeft, stop };
}

/** For `createNetwork`: nodes by name, each of which knows the addresses of all others. */
export function nodes(configs: Readonly<Record<string, SimNodeConfig>> = {}) {
  return async (host: SimHost, others: ReadonlyMap<string, SimNode>): Promise<SimNode> => {
    const started = await startNode(host, configs[host.name] ?? {});
    for (const other of others.values()) {
      await introduce(started, other);
      await introduce(other, started);
    }
    return started;
  };
}

async function introduce(from: SimNode, to: SimNode): Promise<void> {
  await from.node.peerStore.merge(to.node.peerId, { multiaddrs: to.node.getMultiaddrs() });
}

/** A client and an executor, 50 ms apart unless another link is given. */
export async function createPair(
  createNetwork: NetworkFixture['createNetwork'],
  { asker = {}, executor = {}, ...rest }: PairConfig = {},
) {
  const network = await createNetwork<SimNode>({
    link: { delayMs: 50 },
    ...rest,
    nodes: ['asker', 'executor'],
    createNode: nodes({ asker, executor }),
  });
  return { network, asker: network.node('asker'), executor: network.node('executor') };
}

type PairConfig = Partial<Pick<TestNetworkConfig<SimNode>, 'link' | 'seed' | 'fidelity'>> & {
  readonly asker?: SimNodeConfig;
  readonly executor?: SimNodeConfig;
};

/** How every request of a node has ended, in the order in which they did. */
export function ends({ ledger }: SimNode): string[] {
  return [...ledger.told.values()].flat();
}

/** An answer in one piece. */
export const whole = (content: string) =>
  ({ type: 'llmResponse', response: { content, ...totals } }) as const;

/** Answers with so many words, one every so many ms. */
export const words = (count: number, everyMs: number): Handler =>
  async function* (_request, { signal }): AsyncGenerator<AnswerPiece> {
    for (let word = 0; word < count; word++) {
      await pause(everyMs);
      signal.throwIfAborted();
      yield `word${word} `;
    }
  };

/** The text of {@link words}. */
export const textOf = (count: number): string =>
  Array.from({ length: count }, (_, word) => `word${word} `).join('');

/** The text of an answer, when all of it is there and proven. */
export async function readAll(answer: AnswerStream, pauseMs = 0): Promise<string> {
  let text = '';
  for await (const chunk of answer) {
    text += chunk.text;
    if (pauseMs > 0) await pause(pauseMs);
  }
  expect((await answer.result).content).toBe(text);
  return text;
}

/** Resolves after some virtual time. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** `answered`, or the code of the error that a request ended with. Any other failure is one of the test. */
export async function outcomeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'answered';
  } catch (error) {
    if (RpcError.is(error)) return error.code;
    throw error;
  }
}

function slow(verifier: Verifier, verifyMs: number): Verifier {
  if (verifyMs === 0) return verifier;
  return {
    addressOf: (peerId) => verifier.addressOf(peerId),
    digest: (bytes) => verifier.digest(bytes),
    startDigest: () => verifier.startDigest(),
    verify: async (message, expected) => {
      await pause(verifyMs);
      return verifier.verify(message, expected);
    },
  };
}

interface StepOfMachine extends InspectionEvent {
  readonly actorRef: { readonly id: string; readonly logic: { readonly id?: string } };
  readonly snapshot?: { readonly status: string; readonly value: string };
}

/** Everything that one node's service began and has to end. */
class Ledger {
  /** How each request ended, by its id. */
  readonly told = new Map<string, string[]>();
  /** How inbound requests ended. */
  readonly inboundEnds: string[] = [];
  /** Machines of requests that run. */
  readonly machines = new Set<object>();
  /** Timers of the service that wait. */
  readonly timers = new Set<unknown>();
  readonly #ended = new Set<object>();
  readonly #endedTwice: string[] = [];

  /** The same clock, whose timers are counted. */
  watch(clock: Clock): Clock {
    const { timers } = this;
    return {
      now: () => clock.now(),
      elapsed: () => clock.elapsed(),
      setTimeout: (fn, ms) => {
        const fire = (): void => {
          timers.delete(timer);
          fn();
        };
        const timer = clock.setTimeout(fire, ms);
        timers.add(timer);
        return timer;
      },
      clearTimeout: (timer) => {
        timers.delete(timer);
        clock.clearTimeout(timer);
      },
    };
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
    if (machine !== 'request' && machine !== 'inbound') return;
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
