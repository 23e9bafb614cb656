import { toMultiaddr, toPeerAddress } from '@lloom/core';
import { Option, type Command } from 'commander';
import { durationMs } from './amounts.ts';
import { usageError } from './errors.ts';
import { withObservingOptions, type NodeRole, type ObservingOptions } from './observingOptions.ts';

/** What every command takes. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Which network a node is meant for: it decides which addresses may be listened on and dialled. */
export type NetworkName = 'loopback' | 'lan' | 'public';

/** What every command takes that starts a node. */
export interface NodeOptions extends OutputOptions, ObservingOptions {
  readonly bootstrap: readonly string[];
  readonly listen?: readonly string[];
  readonly network: NetworkName;
  /** Whether it announces itself on the local network, where the network is not this machine alone. */
  readonly mdns: boolean;
  /** Relays through which it can be reached; of servers only. */
  readonly relay?: readonly string[];
  /** Whether it carries connections for others; of servers only. */
  readonly relayServer?: boolean;
  readonly identity?: string;
  readonly data?: string;
  readonly passphraseFile?: string;
  readonly timeout: number;
  /** Where others are told to dial; of servers only. */
  readonly announce?: readonly string[];
}

/** Adds `--json` and `--quiet`. */
export function withOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON object per line on stdout')
    .option('--quiet', 'print nothing on stderr but errors');
}

/** Adds `--passphrase-file`. */
export function withPassphraseOptions(command: Command): Command {
  return command.option(
    '--passphrase-file <file>',
    'its first line is the passphrase of the identity; LLOOM_PASSPHRASE without it',
  );
}

/** What differs between roles. */
const texts: Readonly<
  Record<NodeRole, { readonly bootstrap: string; readonly listen: string; readonly timeout: string }>
> = {
  server: {
    bootstrap: 'repeatable',
    listen: '/ip4/127.0.0.1/tcp/0; with lan or public /ip4/0.0.0.0/tcp/0',
    timeout: 'how long one request may take, such as 500ms, 30s or 2m',
  },
  client: {
    bootstrap: 'at least one, repeatable',
    listen: 'nowhere',
    timeout: 'how long one request may take, such as 500ms, 30s or 2m',
  },
  gateway: {
    bootstrap: 'at least one, repeatable',
    listen: 'nowhere',
    timeout: 'how long one request may take unless it says so itself, such as 500ms, 30s or 2m',
  },
  doctor: {
    bootstrap: 'repeatable',
    listen: 'any free port',
    timeout: 'how long all checks together may take, such as 10s or 1m',
  },
};

const option = (flags: string, description: string): Option => new Option(flags, description);
const addresses = collect((value) => toMultiaddr(present(value)).toString());
const peerAddresses = collect((value) => toPeerAddress(present(value)).address.toString());

/**
 * Adds what every node takes. A client has a positional argument, which an option with several values would swallow:
 * there each value needs the option again. And who only asks listens nowhere unless it is told to.
 */
export function withNodeOptions(command: Command, role: NodeRole): Command {
  const dots = role === 'client' ? '' : '...';
  const { bootstrap, listen, timeout } = texts[role];
  command
    .addOption(
      option(`--bootstrap <address${dots}>`, `peer to join through, ending in /p2p/<peer id>; ${bootstrap}`)
        .argParser(peerAddresses)
        .default([], 'none'),
    )
    .addOption(
      option(`--listen <address${dots}>`, `where to listen; repeatable (default: ${listen})`).argParser(
        addresses,
      ),
    )
    .addOption(
      option('--network <name>', 'which addresses may be used')
        .choices(['loopback', 'lan', 'public'])
        .default('loopback'),
    )
    .addOption(option('--no-mdns', 'with lan or public: stay unseen on the local network'))
    .addOption(option('--identity <file>', 'key of this node (default: a throw-away key)'))
    .addOption(
      option('--data <folder>', 'where peers and used nonces survive a restart (default: in memory)'),
    )
    .addOption(
      role === 'doctor'
        ? option('--timeout <time>', timeout).argParser(durationMs).default(30_000, '30s')
        : option('--timeout <time>', timeout).argParser(durationMs).default(120_000, '2m'),
    );
  if (role === 'server' || role === 'doctor') {
    command
      .addOption(
        option(
          '--announce <address...>',
          'where others are told to dial; repeatable (default: the addresses it listens on or is seen at)',
        ).argParser(addresses),
      )
      .addOption(
        option(
          '--relay <address...>',
          'relay through which this node can be reached, ending in /p2p/<peer id>; repeatable (default: some are searched for behind a NAT)',
        ).argParser(peerAddresses),
      );
  }
  if (role === 'server')
    command.addOption(option('--relay-server', 'carry connections for peers behind NATs'));
  return withOutputOptions(withPassphraseOptions(withObservingOptions(command, role)));
}

/** An option takes what follows for its value, also the next option: so it does when a variable of the shell is empty. */
function present(value: string): string {
  if (!value.startsWith('--')) return value;
  throw usageError(
    `There is no address before ${value}`,
    'Put the address there that a running node prints.',
  );
}

/** Collects the values of an option that may be given more than once. */
export function collect<T>(parse: (value: string) => T): (value: string, previous: unknown) => T[] {
  // The list that holds the default must not be added to.
  return (value, previous) => [...((previous as T[] | undefined) ?? []), parse(value)];
}

/** `60/1m`: so many requests in such a time. */
export function rateLimit(value: string): { readonly requests: number; readonly perMs: number } {
  const [requests = '', time = '', ...rest] = value.split('/');
  const example = 'Write it like 60/1m: so many requests of one peer in such a time.';
  if (rest.length > 0 || time === '') throw usageError(`Cannot use rate limit "${value}"`, example);
  return { requests: wholeNumber(1, 1_000_000)(requests), perMs: durationMs(time) };
}

/** A whole number within bounds. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw usageError(`Cannot use number "${value}"`, `Write a whole number from ${min} to ${max}.`);
  };
}

/** Any number that is not negative. */
export function decimal(value: string): number {
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value);
  throw usageError(`Cannot use number "${value}"`, 'Write it like 0.7.');
}
