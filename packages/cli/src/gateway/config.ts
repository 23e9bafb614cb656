import type { Identity } from '@lloom/behaviour';
import { ConfigError, integer, oneOf, optional, resolveConfig, text } from '@lloom/core';
import {
  resolveReachableConfig,
  type ReachableConfig,
  type ResolvedLoopbackConfig,
} from '@lloom/core/loopback';
import { policies, type GatewayPolicy } from './policies.ts';

/** What a gateway asks with, and whom it answers. */
export interface GatewayConfig extends Omit<ReachableConfig, 'token'> {
  /** Signs what is asked: the one that the node was created with. */
  readonly identity: Pick<Identity, 'sign'>;
  /**
   * What a caller must show as `Authorization: Bearer <key>`: from 16 to 256 printable characters without blanks.
   * @default 32 random bytes, as hex
   */
  readonly apiKey?: string;
  /** What counts when a provider is chosen, unless a request says otherwise. @default 'balanced' - all alike */
  readonly policy?: GatewayPolicy;
  /** The most that one answer may cost, in wei, as a decimal text. A request may lower it. @default no cap */
  readonly maxPrice?: string;
  /** How often a request is sent at most, to whomever; 1 to 100. @default 3 - as `RetryStrategy` */
  readonly attempts?: number;
  /** How long a provider may take to begin before another one is asked as well, in ms. @default nobody else is */
  readonly hedgeMs?: number;
  /** How long a request may take with all attempts, in ms, unless it says so itself. @default 120_000 - as the node's */
  readonly timeoutMs?: number;
  /** How long of that a provider is looked for at most, in ms. @default 5_000 */
  readonly searchTimeoutMs?: number;
  /** How large the body of a request may be, in bytes. @default 10_485_760 - as what a node sends at most */
  readonly maxBodyBytes?: number;
  /** How many requests are under way at most. @default 256 */
  readonly maxRequests?: number;
  /**
   * How long a request of which nothing was shown may wait until it is sent once more, in ms. When the wait would be longer its
   * caller is told so at once, and when to come back: it has plans of its own.
   * @default 2_000
   */
  readonly patienceMs?: number;
  /**
   * After how long without text a stream says that it lives, in ms: what stands between may else take it for dead. It has begun
   * then, and what fails later is told inside of it.
   * @default 15_000
   */
  readonly keepAliveMs?: number;
  /** How long a reader of a stream may take nothing of it before it is cut off, in ms. @default 30_000 */
  readonly stallMs?: number;
  /** Told of each request to a model, once, when it is over. What it throws is lost. @default nobody */
  readonly onRequest?: (report: GatewayReport) => void;
}

/** What became of one request. */
export interface GatewayReport {
  /** As in `x-request-id`. */
  readonly requestId: string;
  /** Empty when the request names none. */
  readonly model: string;
  readonly outcome: 'answered' | 'repeated' | 'refused' | 'failed' | 'cancelled';
  /** Of the HTTP answer. 200 for a stream that has begun, however it ended; 499 when the caller left before. */
  readonly status: number;
  readonly stream: boolean;
  /** Who took part in the answer. */
  readonly peerIds: readonly string[];
  readonly inboundTokens: number;
  readonly outboundTokens: number;
  /** What is owed for it, in wei, as a decimal text. */
  readonly totalCost: string;
  readonly durationMs: number;
  /** Why it was not answered. */
  readonly error?: unknown;
}

/** A complete configuration. */
export interface ResolvedGatewayConfig {
  readonly identity: Pick<Identity, 'sign'>;
  readonly server: ResolvedLoopbackConfig;
  readonly policy: GatewayPolicy;
  readonly maxPrice?: string;
  readonly attempts: number;
  readonly hedgeMs?: number;
  readonly timeoutMs: number;
  readonly searchTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly maxRequests: number;
  readonly patienceMs: number;
  readonly keepAliveMs: number;
  readonly stallMs: number;
  readonly onRequest: (report: GatewayReport) => void;
}

const durationMs = integer(1, 86_400_000);
const rules = {
  checks: {
    policy: oneOf(...policies),
    maxPrice: optional(
      text(/^(?:0|[1-9]\d{0,77})$/, 'an amount of wei as a decimal text of at most 78 digits'),
    ),
    attempts: integer(1, 100),
    hedgeMs: optional(durationMs),
    timeoutMs: durationMs,
    searchTimeoutMs: durationMs,
    maxBodyBytes: integer(1, 2 ** 28 - 1),
    maxRequests: integer(1, 100_000),
    patienceMs: integer(0, 86_400_000),
    keepAliveMs: durationMs,
    stallMs: durationMs,
  },
  defaults: {
    policy: 'balanced' as const,
    attempts: 3,
    timeoutMs: 120_000,
    searchTimeoutMs: 5_000,
    maxBodyBytes: 10 * 1_024 * 1_024,
    maxRequests: 256,
    patienceMs: 2_000,
    keepAliveMs: 15_000,
    stallMs: 30_000,
  },
};

type Own = Omit<ResolvedGatewayConfig, 'identity' | 'server' | 'onRequest'>;

/**
 * A complete configuration.
 * @throws {ConfigError} listing the problems; a key is not shown
 */
export function resolveGatewayConfig(given: GatewayConfig): ResolvedGatewayConfig {
  const { identity, apiKey: token, port, host, allowedHosts, allowedOrigins, onRequest, ...own } = given;
  const reachable = { port, host, token, allowedHosts, allowedOrigins };
  const present = Object.fromEntries(Object.entries(reachable).filter(([, value]) => value !== undefined));
  return {
    ...resolveConfig<Own>('gateway', rules, own),
    ...{ identity, server: resolveServer(present) },
    onRequest: (report) => {
      try {
        onRequest?.(report);
      } catch {
        // Whoever watches must not disturb an answer.
      }
    },
  };
}

/** The server calls a token what callers know as a key. */
function resolveServer(given: ReachableConfig): ResolvedLoopbackConfig {
  try {
    return resolveReachableConfig('gateway', given);
  } catch (error) {
    if (!ConfigError.is(error)) throw error;
    const problems = error.data.problems.map(({ path, ...problem }) => ({
      ...problem,
      path: path.replace(/\.token$/, '.apiKey'),
    }));
    throw new ConfigError(problems);
  }
}
