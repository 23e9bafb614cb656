import type { NatMapping } from '../types.ts';
import { networkOfIp } from './admission.ts';

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

/** Under which IP address somebody sees this node. */
export interface Voice {
  /** The IP address of who says it. */
  readonly from: string;
  readonly seen: string;
}

/**
 * The IP addresses that are this node's own outside: those that observers in two networks see, or the only one that is said at all,
 * for each version of IP. Peers are told to dial there: a liar would name whom it wants to be dialled.
 */
export function believedHosts(voices: readonly Voice[]): ReadonlySet<string> {
  const said = new Map(voices.map(({ from, seen }) => [`${networkOfIp(from)} ${versionOf(seen)}`, seen]));
  const hosts = Array.from(said.values());
  const isBelieved = (host: string): boolean => {
    const rivals = hosts.filter((each) => versionOf(each) === versionOf(host));
    return rivals.length === 1 || rivals.filter((each) => each === host).length > 1;
  };
  return new Set(hosts.filter(isBelieved));
}

const versionOf = (host: string): 4 | 6 => (host.includes(':') ? 6 : 4);
