import type { ConnectionGater, Logger, MultiaddrConnection, PeerId } from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { safe } from '@lloom/core';

import { isRelayed } from '../internal/endpoint.ts';
import type { Candidate, Gate } from '../ports.ts';
import type { Refusals } from './refusals.ts';

/** What the gater tells, and whom it keeps waiting. */
export interface GaterPorts {
  readonly log: Logger;
  readonly refusals: Refusals;
}

/**
 * Asks `gate` from now on wherever libp2p asks `gater`, for as long as the node lives. The user's own hooks are asked first,
 * and what they deny stays denied.
 *
 * libp2p 3.3 asks, for a direct connection: the dialer `denyDialPeer`, then `denyDialMultiaddr` for each address, and after
 * the handshake `denyOutboundEncryptedConnection`; the other side `denyInboundConnection`, and after the handshake
 * `denyInboundEncryptedConnection` and `denyInboundUpgradedConnection`. A relayed connection passes the same hooks at its
 * two ends, with an address that leads through the relay; the dialer's way to the relay itself is a dial of its own. In
 * addition the relay asks `denyInboundRelayReservation` before it takes somebody on and `denyOutboundRelayedConnection`
 * before it joins two, and the peer that is called asks `denyInboundRelayedConnection` before anything else.
 *
 * Who is barred and comes back within a second learns it when that is over: its own side takes the connection for open, as
 * libp2p's handshake is complete there first, and redials when it is refused. Such a connection does not count as a handshake
 * under way; libp2p's time limit of a handshake does not reach it.
 */
export function guardWith(gater: ConnectionGater, gate: Gate, { log, refusals }: GaterPorts): void {
  /** Inbound connections whose handshake is not complete. */
  const pending = new Set<MultiaddrConnection>();
  const pendingAddresses = (): Multiaddr[] => [...pending].map(({ remoteAddr }) => remoteAddr);
  const onListenerError = (error: unknown): void => log.error('a listener failed - %e', error);
  const denies = (whom: unknown, reason: string | undefined): boolean => {
    if (reason === undefined) return false;
    const text = String(whom);
    log.trace('refused %o', text.startsWith('/') ? { address: text, reason } : { peerId: text, reason });
    return true;
  };
  const deniesCandidate = (peerId: PeerId, rest: Omit<Candidate, 'peerId' | 'relayed'>): boolean => {
    const { direction, remoteAddress } = rest;
    const candidate = {
      direction,
      remoteAddress,
      peerId: peerId.toString(),
      relayed: isRelayed(remoteAddress),
    };
    return denies(peerId, gate.refusesConnection(candidate));
  };
  const deniesInbound = async (peerId: PeerId, maConn: MultiaddrConnection): Promise<boolean> => {
    if (!deniesCandidate(peerId, { direction: 'inbound', remoteAddress: maConn.remoteAddr })) return false;
    if (gate.isBarred(peerId.toString())) {
      pending.delete(maConn);
      await refusals.hold(peerId.toString(), maConn);
    }
    return true;
  };
  const deniesRelaying = (peerId: PeerId): boolean => denies(peerId, gate.refusesRelaying(peerId.toString()));
  const refusalOfPeer = async (peerId: PeerId): Promise<string | undefined> => {
    try {
      return await gate.refusesPeer(peerId.toString());
    } catch (error) {
      log.error('added addresses cannot be put back - %e', error);
      return undefined;
    }
  };
  // They may be methods of a class.
  const user = {
    dialPeer: gater.denyDialPeer?.bind(gater),
    dialMultiaddr: gater.denyDialMultiaddr?.bind(gater),
    inbound: gater.denyInboundConnection?.bind(gater),
    inboundEncrypted: gater.denyInboundEncryptedConnection?.bind(gater),
    inboundUpgraded: gater.denyInboundUpgradedConnection?.bind(gater),
    outboundEncrypted: gater.denyOutboundEncryptedConnection?.bind(gater),
    reservation: gater.denyInboundRelayReservation?.bind(gater),
    relaying: gater.denyOutboundRelayedConnection?.bind(gater),
    relayed: gater.denyInboundRelayedConnection?.bind(gater),
  };

  gater.denyDialPeer = async (peerId) =>
    (await user.dialPeer?.(peerId)) === true || denies(peerId, await refusalOfPeer(peerId));
  gater.denyDialMultiaddr = async (address) =>
    (await user.dialMultiaddr?.(address)) === true || denies(address, gate.refusesAddress(address));
  gater.denyInboundConnection = async (maConn) => {
    if ((await user.inbound?.(maConn)) === true) return true;
    if (denies(maConn.remoteAddr, gate.refusesInbound(maConn.remoteAddr, pendingAddresses()))) return true;
    // One that has closed meanwhile would never be taken out again.
    if (maConn.status === 'open') {
      pending.add(maConn);
      const forget = (): void => void pending.delete(maConn);
      maConn.addEventListener('close', safe(forget, onListenerError), { once: true });
    }
    return false;
  };
  gater.denyInboundEncryptedConnection = async (peerId, maConn) =>
    (await user.inboundEncrypted?.(peerId, maConn)) === true || (await deniesInbound(peerId, maConn));
  gater.denyInboundUpgradedConnection = async (peerId, maConn) => {
    if ((await user.inboundUpgraded?.(peerId, maConn)) === true) return true;
    pending.delete(maConn);
    // Others may have come in since it was asked the first time.
    return deniesInbound(peerId, maConn);
  };
  gater.denyOutboundEncryptedConnection = async (peerId, maConn) =>
    (await user.outboundEncrypted?.(peerId, maConn)) === true ||
    deniesCandidate(peerId, { direction: 'outbound', remoteAddress: maConn.remoteAddr });
  gater.denyInboundRelayReservation = async (source) =>
    (await user.reservation?.(source)) === true || deniesRelaying(source);
  gater.denyOutboundRelayedConnection = async (source, destination) =>
    (await user.relaying?.(source, destination)) === true ||
    deniesRelaying(source) ||
    deniesRelaying(destination);
  gater.denyInboundRelayedConnection = async (relay, source) =>
    (await user.relayed?.(relay, source)) === true ||
    deniesRelaying(relay) ||
    deniesCandidate(source, { direction: 'inbound', remoteAddress: throughRelay(relay, source) });
}

/** libp2p says between whom, but not where the relay is. */
const throughRelay = (relay: PeerId, peerId: PeerId): Multiaddr =>
  multiaddr(`/p2p/${relay.toString()}/p2p-circuit/p2p/${peerId.toString()}`);
