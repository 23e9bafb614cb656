/**
 * The words that every Lloom package shares: errors with closed codes, ports for time, chance, signing and
 * inspection, checked configuration, bounded events, and addresses that explain what is wrong with them.
 *
 * @packageDocumentation
 */
export { toMultiaddr, toPeerAddress, toPeerId, withPeerId } from './addresses.ts';
export {
  boolean,
  integer,
  listOf,
  oneOf,
  optional,
  resolveConfig,
  text,
  type Check,
  type Checks,
} from './config.ts';
export {
  AddressError,
  ConfigError,
  LloomError,
  errorText,
  explainError,
  isCodedError,
  type AddressErrorCode,
  type AddressErrorData,
  type CodeEntry,
  type CodeTable,
  type ConfigErrorData,
  type ConfigProblem,
  type ErrorJson,
} from './errors.ts';
export {
  EventHub,
  type EventIterable,
  type EventListener,
  type EventMap,
  type EventOf,
  type EventSink,
  type EventSource,
  type EventsConfig,
  type ListenConfig,
} from './eventHub.ts';
export { fromHex, toHex } from './hex.ts';
export { isTraced } from './isTraced.ts';
export { orAbort } from './orAbort.ts';
export {
  messagesFamily,
  secondsBuckets,
  type Clock,
  type CommonPorts,
  type EnvelopeDraft,
  type EnvelopeExpectation,
  type GaugeSample,
  type HistogramFamily,
  type InspectionEvent,
  type Inspector,
  type Meter,
  type MeterLabels,
  type MetricFamily,
  type Random,
  type RunningDigest,
  type SignedEnvelope,
  type Signer,
  type Span,
  type SpanAttributes,
  type SpanConfig,
  type Tracer,
  type Verifier,
} from './ports.ts';
export { RecentMap } from './recentMap.ts';
export { Reports, type ReportsPorts } from './reports.ts';
export { draw, retryDelay, spread, type RetryPolicy } from './retryDelay.ts';
export { safe } from './safe.ts';
export { safeMeter } from './safeMeter.ts';
export { sharing } from './sharing.ts';
export { systemClock, systemRandom } from './system.ts';
export { withinTime, withSignal, type TimeLimit } from './timeLimit.ts';
export { zeroAddress, zeroDigest, type EvmAddress, type Hex } from './types.ts';
