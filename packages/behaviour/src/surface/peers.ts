import type { Peers } from '@lloom/peers';

/** What a node offers of peers. */
export type PeersSurface = Pick<
  Peers,
  | 'dialPeer'
  | 'disconnectPeer'
  | 'isConnected'
  | 'connectedPeers'
  | 'peerInfo'
  | 'addPeerAddr'
  | 'listenedAddresses'
  | 'setConnectionLimits'
>;

/** The calls of peers, bound to one service. */
export function peersSurface(peers: Peers): PeersSurface {
  return {
    dialPeer: peers.dialPeer.bind(peers),
    disconnectPeer: peers.disconnectPeer.bind(peers),
    isConnected: peers.isConnected.bind(peers),
    connectedPeers: peers.connectedPeers.bind(peers),
    peerInfo: peers.peerInfo.bind(peers),
    addPeerAddr: peers.addPeerAddr.bind(peers),
    listenedAddresses: peers.listenedAddresses.bind(peers),
    setConnectionLimits: peers.setConnectionLimits.bind(peers),
  };
}
