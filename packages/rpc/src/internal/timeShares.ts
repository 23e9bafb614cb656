import type { TimeLimits } from '../config.ts';
import type { CallConfig } from '../types.ts';

/** Between whom the time of a call is shared. */
export interface TimeShares {
  /** What it says itself of its limits, which counts. */
  readonly call: CallConfig;
  readonly maxAttempts: number;
  readonly isStreamed: boolean;
  /** Whether another peer is known who would be asked: before the answer begins, and behind that. */
  readonly behind: 'nobody' | 'beforeOutput' | 'resume';
}

/**
 * The limits of an attempt behind which others may follow: a peer that says nothing must not use up the time of those who would
 * be asked after it. An answer in one piece says nothing before its end: only its dial has a share.
 */
export function sharedOut(
  limits: TimeLimits,
  { call, maxAttempts, isStreamed, behind }: TimeShares,
): TimeLimits {
  if (behind === 'nobody') return limits;
  const shareMs = Math.ceil(limits.timeoutMs / maxAttempts);
  const dialTimeoutMs = call.dialTimeoutMs ?? Math.min(limits.dialTimeoutMs || shareMs, shareMs);
  if (!isStreamed) return { ...limits, dialTimeoutMs };
  const firstByteTimeoutMs = call.firstByteTimeoutMs ?? (limits.firstByteTimeoutMs || shareMs);
  if (behind === 'beforeOutput') return { ...limits, dialTimeoutMs, firstByteTimeoutMs };
  const idleTimeoutMs = call.idleTimeoutMs ?? (limits.idleTimeoutMs || shareMs);
  return { ...limits, dialTimeoutMs, firstByteTimeoutMs, idleTimeoutMs };
}
