import { Option, type Command } from 'commander';
import { usageError } from './errors.ts';

/** What starts a node: what serves others, what asks them once, or for programs, or what looks at the network. */
export type NodeRole = 'server' | 'client' | 'gateway' | 'doctor';

/** How much a node logs. */
export type LogLevel = 'off' | 'error' | 'info' | 'debug' | 'trace';

/** What lets one look into a node. */
export interface ObservingOptions {
  readonly logLevel?: LogLevel;
  /** Whether what is logged is JSON. */
  readonly logJson?: boolean;
  /** Where traces are sent; not of the doctor. */
  readonly traces?: string;
  /** Which share of the requests that begin here is traced, from 0 to 1. */
  readonly traceRatio?: number;
  /** The port on which figures are given to Prometheus; of servers and gateways only. */
  readonly metrics?: number;
  /** The file with the token that a reader of them must show. */
  readonly metricsTokenFile?: string;
  /** The port of the web view; of servers and gateways only. */
  readonly ui?: number;
}

/** Where the token is that a reader of the figures must show, unless another file is named. */
export const defaultTokenFile = 'lloom-metrics-token';

/** Which share of the requests is traced, unless another one is named: few of a server's or a gateway's, and the one of a client. */
const traceRatios = { server: 0.01, gateway: 0.01, client: 1 };

/** Adds what lets one look into a node. */
export function withObservingOptions(command: Command, role: NodeRole): Command {
  command
    .addOption(
      new Option(
        '--log-level <level>',
        'what the node logs on stderr (default: off; info with --log-json)',
      ).choices(['off', 'error', 'info', 'debug', 'trace']),
    )
    .addOption(new Option('--log-json', 'log one JSON object per line'));
  if (role === 'doctor') return command;
  command
    .addOption(
      new Option(
        '--traces <url>',
        'collector of OpenTelemetry that traces of requests are sent to, by OTLP over HTTP',
      ).argParser(collectorUrl),
    )
    .addOption(
      new Option('--trace-ratio <share>', 'share of the requests that begin here and are traced, from 0 to 1')
        .argParser(share)
        .default(traceRatios[role]),
    );
  if (role === 'client') return command;
  return command
    .addOption(
      new Option(
        '--metrics <port>',
        'serve figures to Prometheus on this machine; 0 for any free port',
      ).argParser(port),
    )
    .addOption(
      new Option(
        '--metrics-token-file <file>',
        'its first line is the token that Prometheus must show; made when it is missing',
      ).default(defaultTokenFile),
    )
    .addOption(
      new Option(
        '--ui [port]',
        'show the node in a browser on this machine, at the URL that it prints (default: any free port)',
      )
        .preset('0')
        .argParser(port),
    );
}

/** Where traces go: the URL of a collector, with OTLP's own path unless it has one. */
export function collectorUrl(value: string): string {
  const example = 'Write it like http://127.0.0.1:4318.';
  if (!URL.canParse(value)) throw usageError(`Cannot use URL "${value}"`, example);
  const url = new URL(value);
  if (!['http:', 'https:'].includes(url.protocol)) throw usageError(`Cannot use URL "${value}"`, example);
  if (url.username !== '' || url.password !== '') {
    throw usageError(
      'Cannot use a URL with a password in it',
      'Set OTEL_EXPORTER_OTLP_HEADERS, such as authorization=Bearer%20TOKEN.',
    );
  }
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
}

/** A share from 0 to 1. */
export function share(value: string): number {
  if (/^(?:0(?:\.\d+)?|1(?:\.0+)?)$/.test(value)) return Number(value);
  throw usageError(`Cannot use share "${value}"`, 'Write a number from 0 to 1, such as 0.01.');
}

/** A port; 0 for any free one. */
export function port(value: string): number {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : NaN;
  if (number <= 65_535) return number;
  throw usageError(`Cannot use port "${value}"`, 'Write a whole number from 0 to 65535.');
}
