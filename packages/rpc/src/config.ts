import { boolean, integer, oneOf, optional, resolveConfig, text, type Check, type Checks } from '@lloom/core';
import type { CallConfig } from './types.ts';

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
  maxUnverifiedBytes: 64 * 1024 * 1024,
  segmentTokens: 32,
  segmentIntervalMs: 1_000,
  signatures: 'require',
});

const dayMs = 86_400_000;
const maxFrameBytes = 2 ** 28 - 1;

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

const callChecks: Checks<CallConfig> = {
  signal: optional(abortSignal),
  timeoutMs: optional(integer(1, dayMs)),
  dialTimeoutMs: optional(integer(0, dayMs)),
  firstByteTimeoutMs: optional(integer(0, dayMs)),
  idleTimeoutMs: optional(integer(0, dayMs)),
  traceparent: optional(text(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'a W3C traceparent')),
  metadata: anything,
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
