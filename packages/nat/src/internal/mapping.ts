import type { NatMapping } from '../types.ts';

/** Where an address stands: the outside of a NAT, or a machine. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What one peer sees of a connection that left from a local port. */
export interface Observation {
  readonly observer: string;
  readonly localPort: number;
  /** Whether this machine itself has the address that the peer sees. */
  readonly isOwn: boolean;
  readonly seen: Endpoint;
}

/** What the observations of one local port say of the NAT before it. Two observers at least are needed for most. */
export function mappingOf(observations: readonly Observation[]): NatMapping {
  if (observations.length === 0) return 'unknown';
  // A peer in the same network sees what no NAT has touched.
  const outside = observations.filter(({ isOwn, localPort, seen }) => !isOwn || seen.port !== localPort);
  if (outside.length === 0) return 'none';
  const observers = new Set(outside.map(({ observer }) => observer));
  if (observers.size < 2) return 'unknown';
  return outside.every(({ seen }) => isSame(seen, outside[0]?.seen))
    ? 'endpoint-independent'
    : 'endpoint-dependent';
}

const isSame = (a: Endpoint, b: Endpoint | undefined): boolean => a.host === b?.host && a.port === b.port;
