import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import type { Connection, Stream } from '@libp2p/interface';
import type { Datastore } from 'interface-datastore';
import { createLibp2p } from 'libp2p';
import { toHex, type Clock, type Verifier } from '@lloom/core';
import { Identity } from '@lloom/identity';
import type { Fidelity, SimHost, TestNetwork, TestNetworkConfig } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import {
  rpc,
  RpcError,
  type AlternativeSource,
  type AnswerPiece,
  type AnswerStream,
  type Handler,
  type RelayBudget,
  type ReputationSink,
  type Rpc,
  type RpcConfig,
  type RpcPorts,
} from '../src/index.ts';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { Ledger } from './ledger.ts';
import { protocol, unlimited } from './nodes.ts';
import { totals, type Misbehaviour } from './misbehaviour.ts';

/** Streams as objects, and as in production. */
export const fidelities = ['fast', 'full'] as const;

/** How requests travel: many over one session, each over a stream of its own, or as the other side wants it. */
export type Carrier = 'sessions' | 'streams' | 'both';

/** What lies between two nodes. */
export interface Way {
  readonly fidelity: Fidelity;
  readonly carrier: Carrier;
}

/** What tests run over: both carriers by objects, and the usual one as in production. */
export const ways = [
  { fidelity: 'fast', carrier: 'sessions' },
  { fidelity: 'fast', carrier: 'streams' },
  { fidelity: 'full', carrier: 'sessions' },
] as const satisfies Way[];

/** Each pair of links and carriers in its turn. */
export function wayOf(seed: number): Way {
  const isEven = Math.floor(seed / 2) % 2 === 0;
  return { fidelity: fidelities[seed % 2]!, carrier: isEven ? 'sessions' : 'streams' };
}

/** How a simulated node differs from one with all defaults. */
export interface SimNodeConfig extends RpcConfig, Pick<RpcPorts, 'meter' | 'tracer' | 'relayTraces'> {
  /** Its handler, when it has one. */
  readonly serve?: Handler;
  /** Whether its handler can go on with what another executor began. */
  readonly canContinue?: boolean;
  /** Names other providers. */
  readonly alternatives?: AlternativeSource;
  /** Where accepted requests are kept over a restart. */
  readonly datastore?: Datastore;
  /** What relays still carry. */
  readonly relayBudget?: RelayBudget;
  /** Told of what its peers do. */
  readonly reputation?: ReputationSink;
  /** By how much its wall clock is ahead of others', in ms; asked each time when that changes. */
  readonly clockSkewMs?: number | (() => number);
  /** What it does with a stream of ours instead of serving requests. */
  readonly misbehave?: Misbehaviour;
  /** How long it takes to verify a signature, in ms. */
  readonly verifyMs?: number;
  /** What it does with a session of ours instead of serving requests. */
  readonly misbehaveInSession?: Misbehaviour;
  /**
   * Whether its requests run as actors that somebody watches, and not as tables.
   * @default every second node, so that both are told from one another by nobody
   */
  readonly isInspected?: boolean;
}

/** A node of a simulated network, and what it must not leave behind. */
export type SimNode = Awaited<ReturnType<typeof startNode>>;

async function startNode(host: SimHost, given: SimNodeConfig) {
  const { serve, canContinue = false, misbehave, misbehaveInSession, verifyMs = 0, ...rest } = given;
  const { isInspected, clockSkewMs = 0, ...config } = rest;
  const { address, stack, random, index } = host;
  const ledger = new Ledger();
  const clock = ledger.watch(skewed(host.clock, clockSkewMs));
  const identity = Identity.fromPrivateKey(toHex(host.keyBytes), { clock, random });
  const verifier = slow(identity.verifier(), verifyMs);
  const inspected = (isInspected ?? index % 2 === 1) ? { inspect: ledger.inspect } : {};
  const ports = { clock, random, signer: identity.signer(), verifier, ...inspected };
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: [address] },
    ...stack,
    // As in the whole behaviour: a peer that computes for seconds is not dead.
    connectionMonitor: { abortConnectionOnPingFailure: false },
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: { identify: identify(), ping: ping(), rpc: rpc({ ...unlimited, ...ports, ...config }) },
  });
  const service: Rpc = node.services.rpc;
  ledger.listen(service);
  if (serve !== undefined) service.serve(serve, { canContinue });
  if (misbehave !== undefined) await node.handle(protocol, misbehave, { force: true });
  if (misbehaveInSession !== undefined)
    await node.handle(sessionProtocol, misbehaveInSession, { force: true });
  const open = (): Stream[] => node.getConnections().flatMap((connection) => connection.streams);
  /** The streams of requests, of ours and of others, that have one each. */
  const streams = (): Stream[] => open().filter((stream) => stream.protocol === protocol);
  /** The streams that carry sessions, of ours and of others. */
  const sessions = (): Stream[] => open().filter((stream) => stream.protocol === sessionProtocol);
  /** Fails unless every request has ended and has told so exactly once, and nothing of them is left. */
  const expectNothingLeft = (): void => {
    expect(ledger.wrongEnds).toEqual([]);
    expect({
      pending: service.pendingRequests(),
      inbound: service.activeInbound,
      used: node.getPeers().filter((peerId) => (service.usageOf(peerId.toString())?.active ?? 0) > 0),
      streams: streams().length,
      machines: ledger.machines.size,
      timers: ledger.timers.size,
    }).toEqual({ pending: [], inbound: 0, used: [], streams: 0, machines: 0, timers: 0 });
    expectOneSession(node.getConnections());
  };
  const stop = async (): Promise<void> => node.stop();
  return {
    node,
    identity,
    rpc: service,
    peerId: identity.peerId,
    ledger,
    streams,
    sessions,
    expectNothingLeft,
    stop,
  };
}

function skewed(clock: Clock, skewMs: number | (() => number)): Clock {
  if (skewMs === 0) return clock;
  return {
    now: () => clock.now() + (typeof skewMs === 'number' ? skewMs : skewMs()),
    elapsed: () => clock.elapsed(),
    setTimeout: (fn, ms) => clock.setTimeout(fn, ms),
    clearTimeout: (id) => clock.clearTimeout(id),
  };
}

/** Fails unless at most one session runs each way with each peer, with nothing left to say. */
function expectOneSession(connections: readonly Connection[]): void {
  const names: string[] = [];
  for (const { remotePeer, streams } of connections)
    for (const { protocol: name, direction, readBufferLength, writeBufferLength } of streams) {
      if (name !== sessionProtocol) continue;
      names.push(`${direction} ${remotePeer.toString()}`);
      expect({ readBufferLength, writeBufferLength }).toEqual({ readBufferLength: 0, writeBufferLength: 0 });
    }
  expect(names).toHaveLength(new Set(names).size);
}

/** For `createNetwork`: nodes by name, each of which knows the addresses of all others. */
export function nodes(configs: Readonly<Record<string, SimNodeConfig>> = {}, carrier: Carrier = 'sessions') {
  return async (host: SimHost, others: ReadonlyMap<string, SimNode>): Promise<SimNode> => {
    const sessions = carrier === 'sessions' || (carrier === 'both' && host.index % 2 === 0);
    const started = await startNode(host, { sessions, ...configs[host.name] });
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

/**
 * A client and an executor, 50 ms apart unless another link is given. An executor that misbehaves on streams offers no
 * sessions, and its client has been told so when the test begins.
 */
export async function createPair(
  createNetwork: NetworkFixture['createNetwork'],
  { asker = {}, executor = {}, carrier = 'sessions', ...rest }: PairConfig = {},
) {
  const isOverStreams = executor.misbehave !== undefined;
  const network = await createNetwork<SimNode>({
    link: { delayMs: 50 },
    ...rest,
    nodes: ['asker', 'executor'],
    createNode: nodes(
      { asker, executor: { ...(isOverStreams && { sessions: false }), ...executor } },
      carrier,
    ),
  });
  const pair = { network, asker: network.node('asker'), executor: network.node('executor') };
  if (isOverStreams) await identified(pair);
  return pair;
}

/** Connects the two, and lets them tell each other what they speak. */
export async function identified({ network, asker, executor }: Pair): Promise<void> {
  await network.run(asker.node.dial(executor.node.peerId));
  const isKnown = async (): Promise<boolean> => {
    const { protocols } = await asker.node.peerStore.get(executor.node.peerId);
    return protocols.includes(protocol);
  };
  while (!(await network.run(isKnown()))) await network.runFor(100);
}

interface Pair {
  readonly network: TestNetwork<SimNode>;
  readonly asker: SimNode;
  readonly executor: SimNode;
}

type PairConfig = Partial<Pick<TestNetworkConfig<SimNode>, 'link' | 'seed' | 'fidelity'>> & {
  readonly carrier?: Carrier;
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
