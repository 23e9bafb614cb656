import type { ComponentLogger } from '@libp2p/interface';
import type { ICryptoInterface } from '@libp2p/noise';
import type { Clock } from '@lloom/core';

/** ChaCha20-Poly1305 as Noise calls it: a tag of 16 bytes follows the text. */
export type Aead = Pick<ICryptoInterface, 'chaCha20Poly1305Encrypt' | 'chaCha20Poly1305Decrypt'>;

/** What a record is sealed from: the text, the nonce, what is authenticated beside it, and the key. */
export type SealInput = Parameters<Aead['chaCha20Poly1305Encrypt']>;

/** What a record is opened from: the sealed bytes, as above, and where the text may be put. */
export type OpenInput = Parameters<Aead['chaCha20Poly1305Decrypt']>;

/** How much is logged: each level holds those before it. */
export type LogLevel = 'off' | 'error' | 'info' | 'debug' | 'trace';

/** What stands beside a message, by name: 32 at most. */
export type LogFields = Readonly<Record<string, LogValue | readonly LogValue[]>>;

/** What a field may hold: texts of at most 500 characters, and lists of 64 entries. */
export type LogValue = string | number | boolean | null;

/** One line of a log. Plain data, whose size is bounded. */
export interface LogRecord {
  /** When, in ms since 1970. */
  readonly at: number;
  readonly level: Exclude<LogLevel, 'off'>;
  /** Who says it: `lloom:rpc:requests`, `libp2p:tcp`, … */
  readonly component: string;
  /** Which node, where the log was told. */
  readonly node?: string;
  /** What happened, at most 2,000 characters. May hold what a peer sent, line breaks included. */
  readonly message: string;
  readonly peerId?: string;
  readonly requestId?: string;
  /** What went wrong, with the reasons of it, at most 2,000 characters. */
  readonly error?: { readonly name: string; readonly code?: string; readonly message: string };
  readonly fields?: LogFields;
}

/** Where records go. It must be quick; what it throws is caught, and told once. */
export type LogSink = (record: LogRecord) => void;

/** How a log is set up. Every field is optional. */
export interface LogConfig {
  /** How much is logged at first. @default 'off' */
  readonly level?: LogLevel;
  /** Where records go. @default lines of text on stderr */
  readonly sink?: LogSink;
  /** The name of the node in each record, such as its peer id. @default none */
  readonly node?: string;
  /** @default the system's */
  readonly clock?: Clock;
  /**
   * How many records are passed on in a second, from 1 to 100,000: so many errors, so many of `info`, and so many of `debug` and
   * `trace` together. One more says how many were left out.
   * @default 1_000
   */
  readonly maxRecordsPerSecond?: number;
  /** What is told everything as well, at whatever level. @default `quietLogger()`, which does as `DEBUG` says */
  readonly beneath?: ComponentLogger;
}

/** A logger for libp2p whose levels can be changed while it is used: the field `logger` of its configuration. */
export interface Log extends ComponentLogger {
  /** What was set, by component. */
  readonly levels: ReadonlyMap<string, LogLevel>;
  /**
   * How much is logged of a component and everything beneath it, from now on; what is set for a longer name wins.
   *
   * @param level `undefined`: as what the component is beneath
   * @param component such as `lloom:rpc`. Default: '' - all
   * @throws {ConfigError} for a level or a component that is none, and for more than 512 components
   */
  setLevel(level: LogLevel | undefined, component?: string): void;
}
