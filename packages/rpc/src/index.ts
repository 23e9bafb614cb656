/**
 * Requests between libp2p peers that always end: with a proven answer, or with one error that says what is not known.
 *
 * @packageDocumentation
 */
import { Libp2pNetwork, type RpcComponents } from './adapters/libp2p.ts';
import { openJournal } from './adapters/journal.ts';
import { resolveRpcConfig, type RpcConfig } from './config.ts';
import type { RpcPorts } from './ports.ts';
import type { Rpc } from './api.ts';
import { RpcService } from './rpc.ts';

/**
 * The rpc service for `createLibp2p({ services })`.
 *
 * @param config every field is optional; ports for signing and inspection may stand beside it
 * @throws {ConfigError} listing every problem
 * @example
 * ```ts
 * const identity = Identity.generate();
 * const node = await createLibp2p({
 *   privateKey: identity.libp2pKey,
 *   services: { rpc: rpc({ timeoutMs: 30_000, signer: identity.signer(), verifier: identity.verifier() }) },
 * });
 * ```
 */
export function rpc(config: RpcConfig & RpcPorts = {}): (components: RpcComponents) => Rpc {
  const { inspect, clock, random, meter, signer, verifier, ...rest } = config;
  const { alternatives, datastore, relayBudget, reputation, tracer, relayTraces, ...data } = rest;
  const resolved = resolveRpcConfig(data);
  const common = { inspect, clock, random, meter, signer, verifier };
  const others = { alternatives, datastore, relayBudget, reputation, tracer, relayTraces };
  const given = Object.entries({ ...common, ...others }).filter(([, port]) => port !== undefined);
  const ports: RpcPorts = Object.fromEntries(given);
  const journal = openJournal(datastore);
  return (components) => new RpcService(new Libp2pNetwork(components), resolved, { ...ports, journal });
}

export type { RpcComponents } from './adapters/libp2p.ts';
export type { RpcConfig } from './config.ts';
export {
  Refusal,
  RpcError,
  type ChannelClosedReason,
  type RequestStage,
  type RpcErrorCode,
  type RpcErrorData,
  type SaidCode,
} from './errors.ts';
export type { RpcEvents } from './events.ts';
export type {
  AlternativeQuery,
  AlternativeSource,
  PeerFact,
  RelayBudget,
  RelayTraces,
  ReputationSink,
  RpcPorts,
} from './ports.ts';
export type { Rpc } from './api.ts';
export type {
  Answer,
  AnswerChunk,
  AnswerMessage,
  AnswerPiece,
  AnswerShare,
  AnswerStream,
  AnswerTotals,
  CallConfig,
  Codec,
  CustomProtocol,
  Handler,
  HandlerContext,
  HandlerResult,
  HedgePolicy,
  InboundCall,
  LlmRequestMessage,
  Middleware,
  OutboundCall,
  PartialAnswer,
  PendingRequest,
  ProtocolContext,
  RateLimit,
  RequestId,
  RequestMetadata,
  ResponseChannel,
  ResponseTo,
  RetryStrategy,
  RpcLoad,
  ServeConfig,
} from './types.ts';
