import {
  boolean,
  ConfigError,
  integer,
  oneOf,
  optional,
  resolveConfig,
  text,
  type Check,
  type Checks,
} from '@lloom/core';
import type { CallConfig, HedgePolicy, RateLimit, RequestMetadata, RetryStrategy } from './types.ts';

/** How requests are sent and served. Every field is optional for users. */
export interface RpcConfig {
  /**
   * How long one request may take, in ms, from the call to the last byte.
   * @default 120_000 - the specification's `request_timeout`
   */
  readonly timeoutMs?: number;
  /**
   * How long a connection to the peer may take, in ms, before the request fails as not sent. 0: as long as the request.
   * @default 30_000 - three times libp2p's limit of one dial
   */
  readonly dialTimeoutMs?: number;
  /**
   * How long a request that was sent may go without one byte of an answer, in ms. 0: as long as the request.
   * @default 0 - models think for as long as they are given
   */
  readonly firstByteTimeoutMs?: number;
  /**
   * How long an answer that has begun may stand still, in ms. 0: as long as the request.
   * @default 0 - `timeoutMs` ends it
   */
  readonly idleTimeoutMs?: number;
  /**
   * Whether requests share one stream a peer, `/lloom/rpc/1.0.0`, where the peer does so too. Without, each has a stream
   * of its own.
   * @default true - a session costs a twentieth of a stream a request
   */
  readonly sessions?: boolean;
  /**
   * The largest request that is sent or read, in bytes, as encoded in its frame.
   * @default 10_485_760 - the specification's `max_request_size`, 10 MiB
   */
  readonly maxRequestSizeBytes?: number;
  /**
   * The largest answer that is written or read, in bytes, all its frames together.
   * @default 10_485_760 - as large as a request
   */
  readonly maxResponseSizeBytes?: number;
  /**
   * How long a client may take to send its request, in ms. A slower one is refused.
   * @default 30_000 - 10 MiB at 350 kB/s
   */
  readonly requestReadTimeoutMs?: number;
  /**
   * How many requests this node may have under way.
   * @default 1_000 - bounds memory; about 4 KiB each beside their bodies
   */
  readonly maxPendingRequests?: number;
  /**
   * How many requests are read and handled at the same time; more are told `BUSY`. Those that have ended and whose handler
   * still works count beside them: with these there may be twice as many.
   * @default 128 - bounds memory to 128 bodies, to 256 with handlers that ignore their signal
   */
  readonly maxInboundRequests?: number;
  /**
   * How many of these may come from one peer; with handlers that still work twice as many, too.
   * @default 32 - a quarter of all: one peer alone shuts nobody out
   */
  readonly maxInboundRequestsPerPeer?: number;
  /**
   * How many requests are worked on at the same time: the slots of an executor. More wait their turn, peer by peer. Pings
   * and custom protocols need none.
   * @default 128 - as many as are taken at all, so that nobody waits
   */
  readonly capacity?: number;
  /**
   * How many requests may wait for a slot; more are told `BUSY`, with when to come back.
   * @default 64 - half of what is taken at all
   */
  readonly maxQueuedRequests?: number;
  /**
   * How many of these may come from one peer.
   * @default 16 - a quarter of all: one peer alone fills no queue
   */
  readonly maxQueuedRequestsPerPeer?: number;
  /**
   * How many bytes the requests that are held and the answers that are kept may have together. A request beyond it is told
   * `BUSY`.
   * @default 268_435_456 - 256 MiB, a quarter of a small machine
   */
  readonly maxInflightBytes?: number;
  /**
   * How often one peer may ask, by method: `ping`, `llmRequest`, or the name of a custom protocol. Beyond it a request is
   * told `RATE_LIMITED`, with when to come back.
   * @default {} - slots and places bound the work; an executor in the open sets one
   */
  readonly rateLimits?: Readonly<Record<string, RateLimit>>;
  /**
   * How often this node asks one peer, by method; more wait. Set it a tenth below the limits of the peers, and they never
   * refuse.
   * @default {} - as often as one likes
   */
  readonly outboundRateLimits?: Readonly<Record<string, RateLimit>>;
  /**
   * How many requests this node has under way with one peer; more wait.
   * @default 32 - what a peer takes by default, see `maxInboundRequestsPerPeer`
   */
  readonly maxPendingRequestsPerPeer?: number;
  /**
   * For how long a key is known after its request has ended, in ms: the same request is answered from memory, and not run
   * again.
   * @default 300_000 - as long as a request that failed is kept, and as what is signed can be proven
   */
  readonly idempotencyTtlMs?: number;
  /**
   * How many keys are known at most, and a quarter of them of one signer; the oldest is forgotten first.
   * @default 16_384 - about 16 MiB without answers
   */
  readonly maxIdempotencyKeys?: number;
  /**
   * How large an answer may be to be kept for another time, in bytes. A larger one is not repeated: `REQUEST_LOST`.
   * @default 1_048_576 - 1 MiB, a quarter of a million tokens
   */
  readonly maxKeptAnswerBytes?: number;
  /**
   * How long a request is worked on after its connection was lost, in ms, for a client that comes back with the same key. A
   * client that cancels does not come back. One that was told `RELAY_LIMIT` has 12 s at least, to make room; with 0 nobody has.
   * @default 5_000 - a reconnect over a bad network
   */
  readonly rejoinTimeoutMs?: number;
  /**
   * For how long a request that failed is kept for `retryRequest` and `resendRequest`, in ms.
   * @default 300_000 - five minutes
   */
  readonly keptRequestTtlMs?: number;
  /**
   * How many bytes these may have together; the oldest is dropped first.
   * @default 67_108_864 - 64 MiB
   */
  readonly maxKeptRequestBytes?: number;
  /**
   * How many retries each request pays for: with 0.2, five requests pay for one. When nothing is left, what fails has
   * failed. So retries add little to an overload, however many fail.
   * @default 0.2 - a fifth more requests at most
   */
  readonly retryRatio?: number;
  /**
   * How many retries there are from the start, and at most at once.
   * @default 100 - a peer with a hundred requests may break off
   */
  readonly retryBurst?: number;
  /**
   * How many requests in a row a peer must fail to be left alone for a while; 0: never. `BUSY` is no failure.
   * @default 5 - fewer would be chance
   */
  readonly avoidAfterFailures?: number;
  /**
   * For how long it is left alone the first time, in ms. Then one request tries, and each further failure doubles it.
   * @default 15_000 - a process that restarts
   */
  readonly avoidMs?: number;
  /**
   * For how long at most, in ms.
   * @default 300_000 - five minutes
   */
  readonly maxAvoidMs?: number;
  /**
   * How many bytes of requests may be held while they are read, in all, before anything of them is verified. A request
   * beyond it is told `BUSY`.
   * @default 67_108_864 - six of the largest requests, or thousands of usual ones
   */
  readonly maxUnverifiedBytes?: number;
  /**
   * After how many tokens an answer in chunks is signed on the way.
   * @default 32 - what a break loses is at most that
   */
  readonly segmentTokens?: number;
  /**
   * After how long a part that is not signed is signed, in ms.
   * @default 1_000 - of a slow answer a break loses a second
   */
  readonly segmentIntervalMs?: number;
  /**
   * Whether signed requests and answers are verified. `ignore` is for tests of other things.
   * @default 'require' - an unproven answer must not be paid for
   */
  readonly signatures?: 'require' | 'ignore';
}

/** What holds when a field is not given; each has its source beside it in {@link RpcConfig}. */
export const rpcDefaults: Required<RpcConfig> = Object.freeze({
  timeoutMs: 120_000,
  dialTimeoutMs: 30_000,
  firstByteTimeoutMs: 0,
  idleTimeoutMs: 0,
  sessions: true,
  maxRequestSizeBytes: 10 * 1024 * 1024,
  maxResponseSizeBytes: 10 * 1024 * 1024,
  requestReadTimeoutMs: 30_000,
  maxPendingRequests: 1_000,
  maxInboundRequests: 128,
  maxInboundRequestsPerPeer: 32,
  capacity: 128,
  maxQueuedRequests: 64,
  maxQueuedRequestsPerPeer: 16,
  maxInflightBytes: 256 * 1024 * 1024,
  rateLimits: {},
  outboundRateLimits: {},
  maxPendingRequestsPerPeer: 32,
  idempotencyTtlMs: 300_000,
  maxIdempotencyKeys: 16_384,
  maxKeptAnswerBytes: 1024 * 1024,
  rejoinTimeoutMs: 5_000,
  keptRequestTtlMs: 300_000,
  maxKeptRequestBytes: 64 * 1024 * 1024,
  retryRatio: 0.2,
  retryBurst: 100,
  avoidAfterFailures: 5,
  avoidMs: 15_000,
  maxAvoidMs: 300_000,
  maxUnverifiedBytes: 64 * 1024 * 1024,
  segmentTokens: 32,
  segmentIntervalMs: 1_000,
  signatures: 'require',
});

const dayMs = 86_400_000;
const maxFrameBytes = 2 ** 28 - 1;

/** A number from `least` to `most`. */
const number =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most
      ? undefined
      : `a number from ${least} to ${most}`;

const wantedLimits = `limits by method, each { requests: 1 to 1000000, perMs: 1 to ${dayMs} }, at most 256`;
const rateLimits: Check = (value) => {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isPlain || Object.keys(value).length > 256) return wantedLimits;
  const wholeUpTo = (most: number, count: unknown): boolean =>
    Number.isInteger(count) && (count as number) >= 1 && (count as number) <= most;
  const areLimits = Object.values(value as Record<string, Partial<RateLimit> | undefined>).every(
    (limit) => wholeUpTo(1_000_000, limit?.requests) && wholeUpTo(dayMs, limit?.perMs),
  );
  return areLimits ? undefined : wantedLimits;
};

const checks: Checks<Required<RpcConfig>> = {
  timeoutMs: integer(1, dayMs),
  dialTimeoutMs: integer(0, dayMs),
  firstByteTimeoutMs: integer(0, dayMs),
  idleTimeoutMs: integer(0, dayMs),
  sessions: boolean,
  maxRequestSizeBytes: integer(1, maxFrameBytes),
  maxResponseSizeBytes: integer(1, maxFrameBytes),
  requestReadTimeoutMs: integer(1, dayMs),
  maxPendingRequests: integer(1, 1_000_000),
  maxInboundRequests: integer(1, 100_000),
  maxInboundRequestsPerPeer: integer(1, 100_000),
  capacity: integer(1, 100_000),
  maxQueuedRequests: integer(0, 100_000),
  maxQueuedRequestsPerPeer: integer(0, 100_000),
  maxInflightBytes: integer(1),
  rateLimits,
  outboundRateLimits: rateLimits,
  maxPendingRequestsPerPeer: integer(1, 1_000_000),
  idempotencyTtlMs: integer(1, dayMs),
  maxIdempotencyKeys: integer(4, 1_000_000),
  maxKeptAnswerBytes: integer(0, maxFrameBytes),
  rejoinTimeoutMs: integer(0, dayMs),
  keptRequestTtlMs: integer(1, dayMs),
  maxKeptRequestBytes: integer(0),
  retryRatio: number(0, 10),
  retryBurst: integer(0, 1_000_000),
  avoidAfterFailures: integer(0, 1_000),
  avoidMs: integer(1, dayMs),
  maxAvoidMs: integer(1, dayMs),
  maxUnverifiedBytes: integer(1),
  segmentTokens: integer(1, 1_000_000),
  segmentIntervalMs: integer(1, dayMs),
  signatures: oneOf('require', 'ignore'),
};

/**
 * A complete configuration from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolveRpcConfig(config: RpcConfig = {}): Readonly<Required<RpcConfig>> {
  return resolveConfig('rpc', { checks, defaults: rpcDefaults }, config);
}

const anything: Check = () => undefined;

const abortSignal: Check = (value) => {
  const { aborted, addEventListener, removeEventListener } = (value ?? {}) as Partial<AbortSignal>;
  const canListen = typeof addEventListener === 'function' && typeof removeEventListener === 'function';
  return typeof aborted === 'boolean' && canListen ? undefined : 'an AbortSignal';
};

const retryChecks: Checks<RetryStrategy> = {
  maxAttempts: integer(1, 100),
  initialDelayMs: integer(0, dayMs),
  maxDelayMs: integer(0, dayMs),
  exponentialBase: number(1, 10),
  failover: oneOf('resume', 'beforeOutput', 'none'),
};

/** What holds when a field of a strategy is not given; the specification's figures. */
export const retryDefaults: Required<RetryStrategy> = Object.freeze({
  maxAttempts: 3,
  initialDelayMs: 1_000,
  maxDelayMs: 30_000,
  exponentialBase: 2,
  failover: 'resume',
});

/**
 * A complete strategy from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolveRetry(strategy: RetryStrategy): Readonly<Required<RetryStrategy>> {
  return resolveConfig(
    'retry',
    { checks: retryChecks as Checks<Required<RetryStrategy>>, defaults: retryDefaults },
    strategy,
  );
}

/**
 * A complete policy from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolveHedge(policy: HedgePolicy): Readonly<Required<HedgePolicy>> {
  const hedgeChecks = { delayMs: integer(0, dayMs), maxExtra: integer(1, 8) };
  const rules = { checks: hedgeChecks, defaults: { delayMs: nothing as number, maxExtra: 1 } };
  return withAll('hedge', rules, policy);
}

/**
 * What was noted of a request, checked.
 * @throws {ConfigError} listing every problem
 */
export function resolveMetadata(metadata: RequestMetadata): Readonly<RequestMetadata> {
  const metadataChecks = {
    peerId: text(/^./, 'the text of a peer id'),
    deadlineAt: number(0, Number.MAX_SAFE_INTEGER),
    retryCount: integer(0, 1_000_000),
  };
  const defaults = { peerId: nothing as string, deadlineAt: nothing as number, retryCount: 0 };
  return withAll<RequestMetadata>('metadata', { checks: metadataChecks, defaults }, metadata);
}

/** What stands in the place of a field that has to be given. */
const nothing = undefined as unknown;

/** A configuration of which all fields without a default are given. */
function withAll<C extends object>(
  scope: string,
  rules: { readonly checks: Checks<C>; readonly defaults: C },
  given: Partial<C>,
): Readonly<C> {
  const resolved = resolveConfig<C>(scope, rules, given as C);
  const missing = Object.entries<Check>(rules.checks).flatMap(([key, check]) => {
    const wanted = check((resolved as Record<string, unknown>)[key]);
    return wanted === undefined ? [] : [{ path: `${scope}.${key}`, got: 'nothing', wanted }];
  });
  if (missing.length > 0) throw new ConfigError(missing);
  return resolved;
}

const callChecks: Checks<CallConfig> = {
  signal: optional(abortSignal),
  timeoutMs: optional(integer(1, dayMs)),
  dialTimeoutMs: optional(integer(0, dayMs)),
  firstByteTimeoutMs: optional(integer(0, dayMs)),
  idleTimeoutMs: optional(integer(0, dayMs)),
  traceparent: optional(text(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'a W3C traceparent')),
  metadata: anything,
  // Their fields are checked where they are completed.
  retry: anything,
  hedge: anything,
};

/** A call with nothing of its own. */
export const noCall: CallConfig = Object.freeze({});

/**
 * The configuration of one call, checked. Metadata is checked when it is encoded.
 * @throws {ConfigError} listing every problem
 */
export function resolveCall(call: CallConfig): Readonly<CallConfig> {
  if (call === noCall) return call;
  return resolveConfig<CallConfig>('call', { checks: callChecks, defaults: {} }, call);
}

/** How long a request and its stages may take. */
export type TimeLimits = Readonly<
  Record<'timeoutMs' | 'dialTimeoutMs' | 'firstByteTimeoutMs' | 'idleTimeoutMs', number>
>;

/** The limits of one call: its own, or else the service's. */
export function timeLimits(config: TimeLimits, call: CallConfig): TimeLimits {
  if (call === noCall) return config;
  return {
    timeoutMs: call.timeoutMs ?? config.timeoutMs,
    dialTimeoutMs: call.dialTimeoutMs ?? config.dialTimeoutMs,
    firstByteTimeoutMs: call.firstByteTimeoutMs ?? config.firstByteTimeoutMs,
    idleTimeoutMs: call.idleTimeoutMs ?? config.idleTimeoutMs,
  };
}
