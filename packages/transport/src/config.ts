import { ConfigError, integer, oneOf, optional, resolveConfig, text } from '@lloom/core';
import type { LogConfig, LogLevel } from './ports.ts';

/** Which ciphers may be used. */
export interface NoiseCryptoConfig {
  /** `pure` never loads an addon. @default `auto`, or the variable `LLOOM_CRYPTO` */
  readonly crypto?: 'auto' | 'pure';
}

/** How a stack is set up. Every field is optional. */
export interface StackConfig extends NoiseCryptoConfig {
  /**
   * How many bytes a stream takes before its reader has read them, at most: from 262,144 to 4,194,304.
   * @default 2_097_152 - 20 MB/s over 100 ms
   */
  readonly maxStreamWindowBytes?: number;
}

// libp2p's 16 MiB would let an executor run that far ahead of a reader that pauses; 2 MiB are 20 MB/s over 100 ms.
const defaults: Required<StackConfig> = { crypto: 'auto', maxStreamWindowBytes: 2 * 1024 * 1024 };

const ciphers = oneOf('auto', 'pure');
// Streams of Yamux begin with 256 KiB. A stream that is paused keeps 4 MiB, and is reset when it is sent more.
const checks = { crypto: ciphers, maxStreamWindowBytes: integer(256 * 1024, 4 * 1024 * 1024) };

/** @throws {ConfigError} `INVALID_CONFIG` */
export function resolveStackConfig(config: StackConfig = {}): Readonly<Required<StackConfig>> {
  return resolveConfig<Required<StackConfig>>('stack', { checks, defaults }, config);
}

/** @throws {ConfigError} `INVALID_CONFIG` */
export function resolveNoiseCryptoConfig(
  config: NoiseCryptoConfig = {},
): Readonly<Required<NoiseCryptoConfig>> {
  const rules = { checks: { crypto: ciphers }, defaults: { crypto: defaults.crypto } };
  return resolveConfig<Required<NoiseCryptoConfig>>('noiseCrypto', rules, config);
}

/** @throws {ConfigError} `INVALID_CONFIG` when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure` */
export function resolveEnvironment(variables: {
  readonly LLOOM_CRYPTO?: string | undefined;
}): 'auto' | 'pure' {
  const rules = { checks: { LLOOM_CRYPTO: ciphers }, defaults: { LLOOM_CRYPTO: 'auto' as const } };
  const asked = { LLOOM_CRYPTO: (variables.LLOOM_CRYPTO || undefined) as 'auto' | undefined };
  return resolveConfig<{ LLOOM_CRYPTO: 'auto' | 'pure' }>('environment', rules, asked).LLOOM_CRYPTO;
}

const logLevel = oneOf('off', 'error', 'info', 'debug', 'trace');
const component = text(
  /^(?!.*:$)[!-)+-~]{0,256}$/,
  'a name such as "lloom:rpc": no "*", no ":" at its end, at most 256 characters',
);

type LogFigures = Required<Pick<LogConfig, 'level' | 'maxRecordsPerSecond'>>;

/** @throws {ConfigError} `INVALID_CONFIG` */
export function resolveLogConfig({ level, maxRecordsPerSecond }: LogConfig): Readonly<LogFigures> {
  const rules = {
    checks: { level: logLevel, maxRecordsPerSecond: integer(1, 100_000) },
    defaults: { level: 'off' as const, maxRecordsPerSecond: 1_000 },
  };
  return resolveConfig<LogFigures>('log', rules, { level, maxRecordsPerSecond });
}

/** @throws {ConfigError} `INVALID_CONFIG` */
export function checkLogLevel(given: {
  readonly level: LogLevel | undefined;
  readonly component: string;
}): void {
  const rules = {
    checks: { level: optional(logLevel), component },
    defaults: { level: undefined as LogLevel | undefined, component: '' },
  };
  resolveConfig('log', rules, given);
}

/** For how many components a level may be set: more than anybody has use for. */
const maxLogComponents = 512;

/** @throws {ConfigError} `INVALID_CONFIG` when a level cannot be set for one more component */
export function checkLogRoom(levels: ReadonlyMap<string, unknown>, name: string): void {
  if (levels.has(name) || levels.size < maxLogComponents) return;
  const wanted = `one of the ${maxLogComponents} components whose level is set, or one of them taken back first`;
  throw new ConfigError([{ path: 'log.component', got: `"${name}"`, wanted }]);
}
