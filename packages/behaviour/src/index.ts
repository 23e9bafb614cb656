/**
 * A node of the Lloom network: connections, requests, discovery and gossip composed over libp2p, under the names of the
 * specification. Re-exports every name that an application needs, so that one import serves.
 *
 * @packageDocumentation
 */
export { LloomBehaviour, type StopConfig } from './behaviour.ts';
export type { NetworkConfig, NetworkServices, NetworkStack, NodePorts, PackagesConfig } from './config.ts';
export { BehaviourError, type BehaviourErrorCode, type BehaviourErrorData } from './errors.ts';
export type { LloomEvent, LloomEvents } from './events.ts';
export type { DebugConfig, DebugLoggingConfig } from './surface/debugging.ts';
export { EventMonitor } from './surface/eventMonitor.ts';
export type {
  KadMetrics,
  NodeLifecycle,
  NodeState,
  StateConfig,
  StateConnection,
  StatePeer,
  StateService,
  StateTopic,
} from './types.ts';

export {
  AddressError,
  ConfigError,
  LloomError,
  type Clock,
  type EventIterable,
  type EvmAddress,
  type Hex,
  type Inspector,
  type Random,
  type Span,
  type SpanAttributes,
  type SpanConfig,
  type Tracer,
} from '@lloom/core';
export {
  CodecError,
  costOf,
  type AnswerPart,
  type AnswerPrefix,
  type AnswerSegment,
  type ChatMessage,
  type GossipMessage,
  type LlmRequest,
  type LlmRequestInput,
  type LlmResponse,
  type PricingInfo,
  type RequestMessage,
  type ResponseMessage,
  type ServiceDescriptor,
  type ServiceType,
  type SignedMessage,
} from '@lloom/codec';
export { evmAddressOf, Identity, IdentityError, signMessage, verifySignedMessage } from '@lloom/identity';
export {
  DiscoveryError,
  type FindConfig,
  type LocalDiscovery,
  type Provider,
  type ServiceQuery,
} from '@lloom/discovery';
export {
  GossipError,
  GossipTopic,
  type DegradedReason,
  type GossipEvents,
  type GossipMessageInput,
  type MessageContext,
  type PeerScore,
  type PublishConfig,
  type PublishReceipt,
  type Topic,
  type TopicCodec,
  type TopicConfig,
  type TopicMessage,
  type TopicValidator,
  type Verdict,
} from '@lloom/gossip';
export {
  MetricsError,
  openTelemetry,
  type EndpointConfig,
  type MetricsConfig,
  type MetricsEndpoint,
  type MetricsErrorCode,
  type NetworkMetrics,
  type ProtocolMetrics,
  type TracingConfig,
} from '@lloom/metrics';
export {
  isPublic,
  NatError,
  type AutonatConfig,
  type NatErrorCode,
  type NatExplanation,
  type NatStatus,
  type RelayClientConfig,
  type RelayedConnection,
  type RelayServerConfig,
  type StaysRelayedReason,
} from '@lloom/nat';
export {
  PeersError,
  type Ban,
  type ConnectionInfo,
  type ConnectionLimits,
  type ConnectionPoolConfig,
  type PeerExplanation,
  type PeerFact,
  type PeerInfo,
  type PeerRole,
} from '@lloom/peers';
export {
  Refusal,
  RpcError,
  type Answer,
  type AnswerChunk,
  type AnswerMessage,
  type AnswerPiece,
  type AnswerShare,
  type AnswerStream,
  type AnswerTotals,
  type CallConfig,
  type Handler,
  type HandlerContext,
  type HedgePolicy,
  type InboundCall,
  type LlmRequestMessage,
  type Middleware,
  type OutboundCall,
  type PartialAnswer,
  type PendingRequest,
  type RateLimit,
  type RequestId,
  type RequestMetadata,
  type ResponseChannel,
  type RetryStrategy,
  type RpcErrorCode,
  type RpcLoad,
  type ServeConfig,
} from '@lloom/rpc';
export {
  createLog,
  jsonLines,
  textLines,
  type Log,
  type LogLevel,
  type LogRecord,
  type LogSink,
} from '@lloom/transport';
