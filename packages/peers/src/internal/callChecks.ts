import { ConfigError, integer, oneOf, resolveConfig, toPeerId, type Check, type Checks } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';

import type { DialConfig, PeerFact } from '../types.ts';
import { factWeights } from './reputation.ts';

const maxBanMs = 100 * 365.25 * 86_400_000;

const aSignal: Check = (value) => {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
    ? undefined
    : 'an AbortSignal';
};
const aText: Check = (value) => (typeof value === 'string' ? undefined : 'a text');

const dialChecks: Checks<DialConfig> = {
  signal: aSignal,
  toldBy: oneOf('user', 'neighbours', 'peers'),
};

/** @throws {ConfigError} listing every problem */
export function checkedDial(config: DialConfig): DialConfig {
  return resolveConfig('peers.dialPeer', { checks: dialChecks, defaults: {} }, config);
}

/** @throws {ConfigError} listing every problem of a ban */
export function checkBan(durationMs: number, reason: string | undefined): void {
  const checks = { durationMs: integer(1, maxBanMs), reason: aText };
  if (durationMs === undefined) throw unknownOf('banPeer.durationMs', checks.durationMs);
  resolveConfig('peers.banPeer', { checks, defaults: {} as object }, { durationMs, reason } as object);
}

/** @throws {ConfigError} when nobody knows such a fact */
export function checkFact(fact: PeerFact): void {
  const checks = { fact: oneOf(...Object.keys(factWeights)) };
  if (fact === undefined) throw unknownOf('reportPeer.fact', checks.fact);
  resolveConfig('peers.reportPeer', { checks, defaults: { fact: '' } }, { fact });
}

/** What must be an object, and may not be left out. @throws {ConfigError} when it is */
export function mustBe<T>(path: string, value: T): T {
  if (value === undefined) throw unknownOf(path, () => 'an object');
  return value;
}

/** The text of a peer id: any text counts as one. @throws {AddressError} `INVALID_PEER_ID` for what is neither */
export const textOf = (peer: PeerId | string): string =>
  typeof peer === 'string' ? peer : toPeerId(peer).toString();

const unknownOf = (path: string, check: Check): ConfigError =>
  new ConfigError([{ path: `peers.${path}`, got: 'undefined', wanted: check(undefined) ?? 'something' }]);
