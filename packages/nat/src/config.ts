import {
  boolean,
  ConfigError,
  errorText,
  integer,
  listOf,
  resolveConfig,
  text,
  type Check,
  type Checks,
  type ConfigProblem,
} from '@lloom/core';
import type { AutonatConfig, CallConfig, RelayClientConfig, RelayServerConfig } from './types.ts';

/** How a node finds out whether it can be reached, and what it does about it. Every field is optional for users. */
export interface NatConfig {
  /**
   * Whether peers are asked if they can reach this node.
   * @default true - the specification's `enable_autonat`
   */
  readonly enableAutonat?: boolean;
  /** How they are asked. */
  readonly autonat?: AutonatConfig;
  /**
   * Whether relays may be used: to dial others through them, and to be reached through them once this node turns out to be
   * private, or `enableRelayClient()` is called.
   * @default true - the specification's `enable_relay`
   */
  readonly enableRelay?: boolean;
  /** Through which relays this node is reached, once it is. */
  readonly relayClient?: RelayClientConfig;
  /**
   * Whether this node carries connections for others from its start, and how much, as after `enableRelayServer()`: `{}` for all
   * defaults. With `onlyIfPublic` it begins when somebody finds it to be public.
   * @default false - never before `enableRelayServer()` is called
   */
  readonly relayServer?: RelayServerConfig | false;
  /**
   * Whether connections through relays are replaced by direct ones where NATs allow it, with DCUtR.
   * @default true
   */
  readonly enableHolePunching?: boolean;
}

/** A complete configuration. */
export interface ResolvedNatConfig {
  readonly enableAutonat: boolean;
  readonly autonat: Required<AutonatConfig>;
  readonly enableRelay: boolean;
  readonly relayClient: Required<RelayClientConfig>;
  readonly relayServer: Required<RelayServerConfig> | false;
  readonly enableHolePunching: boolean;
}

const kibibyte = 1_024;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export const autonatDefaults: Required<AutonatConfig> = Object.freeze({
  enableServer: true,
  confidenceThreshold: 3,
  throttleIntervalMs: 10_000,
  onlyGlobalIps: true,
});

export const relayClientDefaults: Required<RelayClientConfig> = Object.freeze({
  relays: Object.freeze([]),
  maxReservations: 2,
});

export const relayServerDefaults: Required<RelayServerConfig> = Object.freeze({
  maxReservations: 128,
  reservationTtlMs: hourMs,
  maxConnectionBytes: 64 * kibibyte * kibibyte,
  maxConnectionMs: 30 * minuteMs,
  onlyIfPublic: false,
});

const autonatChecks: Checks<Required<AutonatConfig>> = {
  enableServer: boolean,
  confidenceThreshold: integer(1, 100),
  throttleIntervalMs: integer(10, hourMs),
  onlyGlobalIps: boolean,
};

const relayClientChecks: Checks<Required<RelayClientConfig>> = {
  relays: listOf(text(/^\//, 'an address that begins with "/"'), 64),
  maxReservations: integer(1, 16),
};

const connectionBytes = integer(kibibyte, 2 ** 40);
const relayServerChecks: Checks<Required<RelayServerConfig>> = {
  maxReservations: integer(1, 10_000),
  reservationTtlMs: integer(minuteMs, 24 * hourMs),
  maxConnectionBytes: (value) => (value === Infinity ? undefined : connectionBytes(value)),
  maxConnectionMs: integer(10_000, 24 * hourMs),
  onlyIfPublic: boolean,
};

/** The fields of an object, each read once. @throws {ConfigError} when one cannot be read */
function read<C extends object>(path: string, input: C): C {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  try {
    return { ...input };
  } catch (cause) {
    throw new ConfigError([{ path, got: errorText(cause, 80), wanted: 'an object that can be read' }]);
  }
}

const aSignal: Check = (value) => {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
    ? undefined
    : 'an AbortSignal';
};

/** @throws {ConfigError} listing every problem */
export const resolveCallConfig = (act: string, config: CallConfig = {}): CallConfig =>
  resolveConfig<CallConfig>(
    `nat.${act}`,
    { checks: { signal: aSignal }, defaults: {} },
    read(`nat.${act}`, config),
  );

/** @throws {ConfigError} listing every problem */
export const resolveAutonatConfig = (config: AutonatConfig = {}): Required<AutonatConfig> =>
  resolveConfig('autonat', { checks: autonatChecks, defaults: autonatDefaults }, read('autonat', config));

/** @throws {ConfigError} listing every problem */
export const resolveRelayClientConfig = (config: RelayClientConfig = {}): Required<RelayClientConfig> =>
  resolveConfig(
    'relayClient',
    { checks: relayClientChecks, defaults: relayClientDefaults },
    read('relayClient', config),
  );

/** @throws {ConfigError} listing every problem */
export const resolveRelayServerConfig = (config: RelayServerConfig = {}): Required<RelayServerConfig> =>
  resolveConfig(
    'relayServer',
    { checks: relayServerChecks, defaults: relayServerDefaults },
    read('relayServer', config),
  );

const anything: Check = () => undefined;
const checks: Checks<Required<NatConfig>> = {
  enableAutonat: boolean,
  autonat: anything,
  enableRelay: boolean,
  relayClient: anything,
  relayServer: anything,
  enableHolePunching: boolean,
};
const defaults: Required<NatConfig> = {
  enableAutonat: true,
  autonat: {},
  enableRelay: true,
  relayClient: {},
  relayServer: false,
  enableHolePunching: true,
};

/**
 * A complete configuration.
 * @throws {ConfigError} listing every problem
 */
export function resolveNatConfig(input: NatConfig = {}): ResolvedNatConfig {
  const problems: ConfigProblem[] = [];
  const collect = <T>(resolve: () => T): T | undefined => {
    try {
      return resolve();
    } catch (error) {
      if (!ConfigError.is(error)) throw error;
      problems.push(...error.data.problems);
      return undefined;
    }
  };
  const flat = collect(() =>
    resolveConfig<Required<NatConfig>>('nat', { checks, defaults }, read('nat', input)),
  );
  const autonat = collect(() => resolveAutonatConfig(flat?.autonat));
  const relayClient = collect(() => resolveRelayClientConfig(flat?.relayClient));
  const relayServer = collect(
    () => flat?.relayServer !== false && resolveRelayServerConfig(flat?.relayServer),
  );
  if (flat?.enableRelay === false && flat.relayServer !== false)
    problems.push({ path: 'nat.relayServer', got: 'relaying', wanted: 'false, as enableRelay is' });
  if (!flat || !autonat || !relayClient || relayServer === undefined || problems.length > 0)
    throw new ConfigError(problems);
  return { ...flat, autonat, relayClient, relayServer };
}
