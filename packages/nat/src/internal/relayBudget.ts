import type { RelayLimits } from '../types.ts';
import type { CircuitConnection } from './circuitNetwork.ts';

/** More than this are no seconds, when rounded: js-libp2p's relay writes milliseconds there. */
const mostSeconds = 9_999;

/** A connection that ends so soon, in ms, carries nothing new. */
const lastMs = 5_000;

/**
 * What encryption, multiplexer and the opening of streams add, of a relay's bytes. Noise and Yamux take 30 bytes for each chunk
 * that is sent, and streams up to 200 to open: 0.2 % for chunks of 16 KiB, measured, see docs/protocol/nat.md.
 */
const overheadShare = 0.02;
/** Beside that share, for identify, pings and window updates. */
const overheadBytes = 4 * 1_024;

/** What a relay still lets through on a connection by what it said, `now` in ms since 1970; `undefined` for all. */
export function limitsLeft(connection: CircuitConnection, now: number): RelayLimits | undefined {
  const { limits } = connection;
  if (limits === undefined) return undefined;
  const { bytes, seconds } = limits;
  if (bytes === undefined && seconds === undefined) return undefined;
  return {
    ...(bytes !== undefined && { bytes }),
    ...(seconds !== undefined && { ms: msLeft(seconds, now - connection.openedAt) }),
  };
}

/** What is left of a time that was given as seconds or milliseconds, `ageMs` after it began. */
function msLeft(secondsLeft: number, ageMs: number): number {
  const given = secondsLeft + ageMs / 1_000;
  const givenMs = given >= mostSeconds + 0.5 ? given : given * 1_000;
  return Math.max(0, Math.floor(givenMs - ageMs));
}

/** How much of an application's data a connection still carries; `undefined` for as much as one likes. */
export function payloadLeft(connection: CircuitConnection, now: number): number | undefined {
  const left = limitsLeft(connection, now);
  if (left === undefined) return undefined;
  if (left.ms !== undefined && left.ms < lastMs) return 0;
  return left.bytes === undefined ? undefined : payloadOf(left.bytes);
}

/** How much of an application's data goes into so many bytes of a relay. */
export const payloadOf = (bytes: number): number =>
  Math.max(0, Math.floor((bytes - overheadBytes) * (1 - overheadShare)));
