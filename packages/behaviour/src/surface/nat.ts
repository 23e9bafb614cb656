import type { Nat } from '@lloom/nat';

/** What a node offers of nat. */
export type NatSurface = Pick<
  Nat,
  | 'enableAutonat'
  | 'disableAutonat'
  | 'natStatus'
  | 'explainNat'
  | 'enableRelayClient'
  | 'disableRelayClient'
  | 'relayAddresses'
  | 'dialPeerThroughRelay'
  | 'enableRelayServer'
  | 'disableRelayServer'
>;

/** The calls of nat, bound to one service. */
export function natSurface(nat: Nat): NatSurface {
  return {
    enableAutonat: nat.enableAutonat.bind(nat),
    disableAutonat: nat.disableAutonat.bind(nat),
    natStatus: nat.natStatus.bind(nat),
    explainNat: nat.explainNat.bind(nat),
    enableRelayClient: nat.enableRelayClient.bind(nat),
    disableRelayClient: nat.disableRelayClient.bind(nat),
    relayAddresses: nat.relayAddresses.bind(nat),
    dialPeerThroughRelay: nat.dialPeerThroughRelay.bind(nat),
    enableRelayServer: nat.enableRelayServer.bind(nat),
    disableRelayServer: nat.disableRelayServer.bind(nat),
  };
}
