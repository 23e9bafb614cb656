import type { NatStatus } from '../types.ts';

/**
 * Whether others can reach a node directly.
 *
 * @example
 * ```ts
 * if (isPublic(nat.natStatus())) await nat.enableRelayServer();
 * ```
 */
export function isPublic(status: NatStatus): status is Extract<NatStatus, { kind: 'public' }> {
  return status.kind === 'public';
}
