import type { Connection } from '@libp2p/interface';
import { getNetConfig, isLoopback, isPrivate } from '@libp2p/utils';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';

const p2pCode = 421;
const circuitCode = 290;

/** Where a relay may be. */
export interface RelayWhereabouts {
  readonly connection: Pick<Connection, 'direction' | 'remoteAddr' | 'remotePeer'>;
  /** As it names them itself: anything may stand there. */
  readonly named: readonly Uint8Array[];
  /** As the node knew them before. */
  readonly known: readonly string[];
}

/**
 * Where others can dial a node through a relay, best first: the address by which this node has reached the relay, then those that
 * the relay names. Without any of these those that were known. At most `most`.
 */
export function addressesThrough(where: RelayWhereabouts, most: number): string[] {
  const { connection, known, named } = where;
  const { direction, remoteAddr, remotePeer } = connection;
  const relay = remotePeer.toString();
  const reach = reachOf(remoteAddr);
  const usable = (address: Multiaddr): string[] => {
    const base = baseOf(address, relay);
    // What only the relay's own network can dial is of no use to others, and has them knock at doors of their own.
    return base !== undefined && reachOf(base) >= reach ? [through(base, relay)] : [];
  };
  // The relay that dialled this node left from a port where nobody listens.
  const reached = direction === 'outbound' ? usable(remoteAddr) : [];
  const told = [...reached, ...named.flatMap(parse).flatMap(usable)];
  const all = told.length > 0 ? told : known.flatMap((text) => usable(multiaddr(text)));
  return [...new Set(all)].slice(0, most);
}

const through = (base: Multiaddr, relay: string): string => `${base.toString()}/p2p/${relay}/p2p-circuit`;

function parse(bytes: Uint8Array): Multiaddr[] {
  try {
    return [multiaddr(bytes)];
  } catch {
    return [];
  }
}

/** Where the relay listens, without its id; `undefined` for what is not an address of that relay. */
function baseOf(address: Multiaddr, relay: string): Multiaddr | undefined {
  const components = address.getComponents();
  if (components.some(({ code }) => code === circuitCode)) return undefined;
  const at = components.findIndex(({ code }) => code === p2pCode);
  const ids = at === -1 ? [] : components.slice(at);
  // Some relays name themselves twice.
  if (ids.some(({ code, value }) => code !== p2pCode || value !== relay)) return undefined;
  const base = ids.length === 0 ? address : multiaddr(components.slice(0, at));
  return isSpecified(base) ? base : undefined;
}

function isSpecified(base: Multiaddr): boolean {
  try {
    return !['0.0.0.0', '::', '0:0:0:0:0:0:0:0'].includes(getNetConfig(base).host);
  } catch {
    return false;
  }
}

/** From how far off an address can be dialled: this machine, its network, or everywhere. */
function reachOf(address: Multiaddr): number {
  if (isLoopback(address)) return 0;
  return isPrivate(address) ? 1 : 2;
}
