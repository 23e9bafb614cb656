import { integer, optional, resolveConfig, text } from '../config.ts';
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

/** A complete configuration; without a token one is made. */
export interface ResolvedLoopbackConfig {
  readonly port: number;
  readonly host: string;
  readonly token?: string;
}

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const loopback = new RegExp(`^(?:127(?:\\.${octet}){3}|::1)$`);

const rules = {
  checks: {
    port: integer(0, 65_535),
    host: text(loopback, 'an address of this machine alone: 127.0.0.1, another one of 127.0.0.0/8, or ::1'),
    token: optional(text(/^[!-~]{16,256}$/, 'from 16 to 256 printable characters without blanks')),
  },
  defaults: { port: 0, host: '127.0.0.1' },
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
  try {
    return resolveConfig<ResolvedLoopbackConfig>(path, rules, given);
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
