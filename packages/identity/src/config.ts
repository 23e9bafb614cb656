import {
  integer,
  oneOf,
  optional,
  resolveConfig,
  text,
  type Check,
  type Checks,
  type EvmAddress,
  type Hex,
} from '@lloom/core';

/** No envelope lives longer than this, so that nonces can be forgotten: ten minutes. */
const longestLifetimeMs = 600_000;

/** What a signature is bound to. Both sides must agree. */
export interface DomainConfig {
  /** EIP-155 number of the chain that the wallets live on. @default 1 */
  readonly chainId?: number;
  /** Contract that judges the signatures, when there is one. @default none */
  readonly verifyingContract?: EvmAddress;
  /** `pure` never uses the native implementation. @default `auto`, or the variable `LLOOM_CRYPTO` */
  readonly crypto?: 'auto' | 'pure';
}

/** How a {@link Signer} signs. */
export interface SignerConfig extends DomainConfig {
  /** How long an envelope stays valid unless its draft says otherwise, in ms, at most 600_000. @default 300_000 */
  readonly ttlMs?: number;
}

/** How one message is signed. */
export interface SignConfig extends SignerConfig {
  /**
   * Who may act on it: an EVM address, or the peer id of a node whose key is secp256k1.
   * @default the zero address: anybody the payload admits
   */
  readonly to?: string;
  /** Digest of the payload that this one answers. @default 32 zero bytes: nothing */
  readonly inReplyTo?: Hex;
}

/** What a {@link Verifier} accepts. */
export interface VerifierConfig extends DomainConfig {
  /** How far in the future an envelope may be signed, in ms, at most 600_000. @default 60_000 */
  readonly maxClockSkewMs?: number;
  /** How long an envelope may be valid in all, in ms, at most 600_000. @default 600_000 */
  readonly maxLifetimeMs?: number;
}

/** How much a replay guard remembers. */
export interface ReplayGuardLimits {
  /** Nonces in all, about 100 bytes of memory each, at most 10_000_000. @default 1_000_000 */
  readonly maxEntries?: number;
  /** Nonces of one signer. @default a quarter of `maxEntries` */
  readonly maxEntriesPerSigner?: number;
  /**
   * Refuse envelopes signed up to this long after the guard began to remember, in ms. Without a datastore, a
   * sender whose clock runs ahead by less could be replayed once after a restart; this closes the gap, at the
   * price of refusing everybody for that long. @default 0
   */
  readonly startMarginMs?: number;
}

const address = text(/^0x[0-9a-fA-F]{40}$/, '"0x" and 40 hexadecimal digits');
const recipient = text(
  /^(?:0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{40,120})$/,
  '"0x" and 40 hexadecimal digits, or a peer id',
);
const digest = text(/^0x[0-9a-fA-F]{64}$/, '"0x" and 64 hexadecimal digits');

/** What is accepted as the lifetime of an envelope. */
export const lifetime = integer(1, longestLifetimeMs);

const domain = {
  chainId: integer(1),
  verifyingContract: optional(address),
  crypto: oneOf('auto', 'pure'),
} satisfies Checks<DomainConfig>;

type Resolved<C, Optional extends keyof C> = Required<Omit<C, Optional>> & Pick<C, Optional>;

/** A complete {@link SignerConfig}. */
export type ResolvedSignerConfig = Readonly<Resolved<SignerConfig, 'verifyingContract'>>;

/** A complete {@link SignConfig}. */
export type ResolvedSignConfig = Readonly<Resolved<SignConfig, 'verifyingContract' | 'to' | 'inReplyTo'>>;

/** A complete {@link VerifierConfig}. */
export type ResolvedVerifierConfig = Readonly<Resolved<VerifierConfig, 'verifyingContract'>>;

// Chain 1 is where wallets are when nobody says otherwise. Five minutes outlast a slow request and its retries,
// and forgive a sender's clock that is five minutes behind.
const signDefaults: ResolvedSignerConfig = { chainId: 1, crypto: 'auto', ttlMs: 300_000 };
const signerChecks = { ...domain, ttlMs: lifetime };
const signChecks = { ...signerChecks, to: optional(recipient), inReplyTo: optional(digest) };

// A minute is what clocks without NTP are usually off by.
const verifierDefaults: ResolvedVerifierConfig = {
  chainId: 1,
  crypto: 'auto',
  maxClockSkewMs: 60_000,
  maxLifetimeMs: longestLifetimeMs,
};
const verifierChecks = { ...domain, maxClockSkewMs: integer(0, longestLifetimeMs), maxLifetimeMs: lifetime };

const signRules = { checks: signChecks, defaults: signDefaults };

/**
 * Done for each message, and so without the copies that {@link resolveConfig} makes for lists and objects: what
 * passes these checks is neither.
 *
 * @throws {ConfigError} `INVALID_CONFIG`
 */
export function resolveSignConfig(config: SignConfig = {}): ResolvedSignConfig {
  const resolved: Record<string, unknown> = { ...signDefaults };
  // Whatever is wrong, the thorough way finds it, and everything else that is.
  const fails = (): ResolvedSignConfig => resolveConfig<ResolvedSignConfig>('sign', signRules, config);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return fails();
  const checks: Readonly<Record<string, Check>> = signChecks;
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined || check(value) !== undefined) return fails();
    resolved[key] = value;
  }
  return resolved as unknown as ResolvedSignConfig;
}

/** @throws {ConfigError} `INVALID_CONFIG` */
export function resolveSignerConfig(config: SignerConfig = {}): ResolvedSignerConfig {
  return resolveConfig<ResolvedSignerConfig>(
    'signer',
    { checks: signerChecks, defaults: signDefaults },
    config,
  );
}

/** @throws {ConfigError} `INVALID_CONFIG` */
export function resolveVerifierConfig(config: VerifierConfig = {}): ResolvedVerifierConfig {
  return resolveConfig<ResolvedVerifierConfig>(
    'verifier',
    { checks: verifierChecks, defaults: verifierDefaults },
    config,
  );
}

/** @throws {ConfigError} `INVALID_CONFIG` */
export function resolveGuardLimits(config: ReplayGuardLimits = {}): Readonly<Required<ReplayGuardLimits>> {
  const most = 10_000_000;
  const checks = {
    maxEntries: integer(1, most),
    maxEntriesPerSigner: integer(1, most),
    startMarginMs: integer(0, longestLifetimeMs),
  };
  // A million nonces are 300 s of 3,000 requests each second. One signer at its limit leaves room for others.
  const maxEntries = config.maxEntries ?? 1_000_000;
  const defaults = {
    maxEntries,
    maxEntriesPerSigner: Math.max(1, Math.floor(maxEntries / 4)),
    startMarginMs: 0,
  };
  return resolveConfig<Required<ReplayGuardLimits>>('replayGuard', { checks, defaults }, config);
}
