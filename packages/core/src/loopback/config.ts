import { isIP } from 'node:net';
import { integer, listOf, optional, resolveConfig, text, type Check, type Checks } from '../config.ts';
import { ConfigError } from '../errors.ts';

/** Where a server on this machine listens, and whom it answers. */
export interface LoopbackConfig {
  /**
   * The port to listen on; 0 for any free one.
   * @default 0
   */
  readonly port?: number;
  /**
   * The address to listen on: one of this machine alone.
   * @default '127.0.0.1'
   */
  readonly host?: string;
  /**
   * What a reader must show as `Authorization: Bearer <token>`: from 16 to 256 printable characters without blanks.
   * @default 32 random bytes, as hex
   */
  readonly token?: string;
}

/** The same for a server that may be opened to other machines and to pages of elsewhere, where somebody says so. */
export interface ReachableConfig extends LoopbackConfig {
  /**
   * The address to listen on. One that others can reach, such as `0.0.0.0`, takes `allowedHosts`.
   * @default '127.0.0.1'
   */
  readonly host?: string;
  /**
   * Names under which it is reached beside those of this machine: `gateway.lan` with its own port or none, `gateway.lan:80` with
   * that port alone. At most 64.
   * @default [] - none
   */
  readonly allowedHosts?: readonly string[];
  /**
   * Origins whose pages may read answers, such as `https://chat.example`. They have to show the token as well. At most 64.
   * @default [] - none
   */
  readonly allowedOrigins?: readonly string[];
}

/** A complete configuration; without a token one is made. */
export interface ResolvedLoopbackConfig {
  readonly port: number;
  readonly host: string;
  readonly token?: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const loopback = new RegExp(`^(?:127(?:\\.${octet}){3}|::1)$`);

const isLoopback = text(
  loopback,
  'an address of this machine alone: 127.0.0.1, another one of 127.0.0.0/8, or ::1',
);
const none = listOf(() => 'nothing', 0);

const checks: Checks<ResolvedLoopbackConfig> = {
  port: integer(0, 65_535),
  host: isLoopback,
  token: optional(text(/^[!-~]{16,256}$/, 'from 16 to 256 printable characters without blanks')),
  allowedHosts: none,
  allowedOrigins: none,
};
const defaults: ResolvedLoopbackConfig = {
  port: 0,
  host: '127.0.0.1',
  allowedHosts: [],
  allowedOrigins: [],
};

const maxNames = 64;
const hostName = text(
  /^(?:\[[\da-f:.]{2,45}\]|[a-z\d](?:[a-z\d.-]{0,251}[a-z\d])?)(?::[1-9]\d{0,4})?$/i,
  'a name or an address, with a port or without: "gateway.lan", "10.0.0.5:80", "[fd00::5]"',
);
const origin: Check = (value) => {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  const isOrigin =
    url !== null && /^https?:$/.test(url.protocol) && url.origin === String(value).toLowerCase();
  return isOrigin ? undefined : 'an http or https origin without a path, such as "https://chat.example"';
};

/**
 * A complete configuration.
 *
 * @param path what the configuration is called in errors, such as `metrics.endpoint`
 * @throws {ConfigError} listing every problem; a token is not shown
 */
export function resolveLoopbackConfig(
  path: string,
  given: LoopbackConfig = {},
): Readonly<ResolvedLoopbackConfig> {
  return resolve(path, checks, given);
}

/**
 * A complete configuration of a server that others may be let in to.
 *
 * @param path what the configuration is called in errors, such as `gateway`
 * @throws {ConfigError} listing every problem; a token is not shown
 */
export function resolveReachableConfig(
  path: string,
  given: ReachableConfig = {},
): Readonly<ResolvedLoopbackConfig> {
  const isNamed = Array.isArray(given.allowedHosts) && given.allowedHosts.length > 0;
  const host: Check = (value) => {
    if (isLoopback(value) === undefined) return undefined;
    if (typeof value !== 'string' || isIP(value) === 0) return 'an IP address';
    return isNamed ? undefined : `${isLoopback(value)}; or names in allowedHosts beside it`;
  };
  const allowed = { allowedHosts: listOf(hostName, maxNames), allowedOrigins: listOf(origin, maxNames) };
  return resolve(path, { ...checks, host, ...allowed }, given);
}

function resolve(
  path: string,
  wanted: Checks<ResolvedLoopbackConfig>,
  given: ReachableConfig,
): Readonly<ResolvedLoopbackConfig> {
  try {
    return resolveConfig<ResolvedLoopbackConfig>(path, { checks: wanted, defaults }, given);
  } catch (error) {
    if (!ConfigError.is(error)) throw error;
    // Somebody may have meant it well, and errors are printed.
    const shown = error.data.problems.map(({ got, ...problem }) => ({
      ...problem,
      got: problem.path.endsWith('.token') ? 'a token that is not shown' : got,
    }));
    throw new ConfigError(shown);
  }
}
