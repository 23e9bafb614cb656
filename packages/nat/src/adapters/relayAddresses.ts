import type { Connection } from '@libp2p/interface';
import { getNetConfig, isLoopback, isPrivate } from '@libp2p/utils';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';

const p2pCode = 421;
const circuitCode = 290;
/** A relay may have a name, and an address of each family. Others that it names are somebody else's, for all that is known. */
const maxOtherHosts = 2;

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
 * the relay names, first those of the host that was reached. Without any of these those that were known. At most `most`, of two
 * other hosts at most.
 */
export function addressesThrough(where: RelayWhereabouts, most: number): string[] {
  const { connection, known, named } = where;
  const { direction, remoteAddr, remotePeer } = connection;
  const relay = remotePeer.toString();
  const reach = reachOf(remoteAddr);
  const usable = (address: Multiaddr): Base[] => {
    const base = baseOf(address, relay);
    // What only the relay's own network can dial is of no use to others, and has them knock at doors of their own.
    return base !== undefined && reachOf(base.address) >= reach ? [base] : [];
  };
  // The relay that dialled this node left from a port where nobody listens.
  const reached = direction === 'outbound' ? usable(remoteAddr) : [];
  const told = [...reached, ...named.flatMap(parse).flatMap(usable)];
  const all = told.length > 0 ? told : known.flatMap((text) => usable(multiaddr(text)));
  const bases = ofFewHosts(all, hostOf(remoteAddr));
  return [...new Set(bases.map(({ address }) => `${address.toString()}/p2p/${relay}/p2p-circuit`))].slice(
    0,
    most,
  );
}

/** Those of one host first, then those of a few others, in the order given. */
function ofFewHosts(bases: readonly Base[], first: string | undefined): Base[] {
  const others = new Set(bases.map(({ host }) => host).filter((host) => host !== first));
  const taken = [...others].slice(0, maxOtherHosts);
  return [
    ...bases.filter(({ host }) => host === first),
    ...bases.filter(({ host }) => host !== first && taken.includes(host)),
  ];
}

function parse(bytes: Uint8Array): Multiaddr[] {
  try {
    return [multiaddr(bytes)];
  } catch {
    return [];
  }
}

/** Where a relay listens, without its id. */
interface Base {
  readonly address: Multiaddr;
  /** An IP address, or a name. */
  readonly host: string;
}

/** `undefined` for what is not an address of that relay. */
function baseOf(address: Multiaddr, relay: string): Base | undefined {
  const components = address.getComponents();
  if (components.some(({ code }) => code === circuitCode)) return undefined;
  const at = components.findIndex(({ code }) => code === p2pCode);
  const ids = at === -1 ? [] : components.slice(at);
  // Some relays name themselves twice.
  if (ids.some(({ code, value }) => code !== p2pCode || value !== relay)) return undefined;
  const base = ids.length === 0 ? address : multiaddr(components.slice(0, at));
  const host = hostOf(base);
  if (host === undefined || ['0.0.0.0', '::', '0:0:0:0:0:0:0:0'].includes(host)) return undefined;
  return { address: base, host };
}

function hostOf(address: Multiaddr): string | undefined {
  try {
    return getNetConfig(address).host.toLowerCase();
  } catch {
    return undefined;
  }
}

/** From how far off an address can be dialled: this machine, its network, or everywhere. */
function reachOf(address: Multiaddr): number {
  if (isLoopback(address)) return 0;
  return isPrivate(address) ? 1 : 2;
}
