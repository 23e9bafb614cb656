import type { Peers } from '@lloom/peers';

/** What a node offers of peers. */
export type PeersSurface = Pick<
  Peers,
  | 'dialPeer'
  | 'disconnectPeer'
  | 'banPeer'
  | 'unbanPeer'
  | 'bannedPeers'
  | 'maintainConnection'
  | 'releaseConnection'
  | 'maintainedPeers'
  | 'isConnected'
  | 'connectedPeers'
  | 'peerInfo'
  | 'addPeerAddr'
  | 'removePeerAddr'
  | 'listenedAddresses'
  | 'setConnectionLimits'
  | 'connectionLimits'
  | 'setConnectionPool'
  | 'connectionPool'
  | 'reportPeer'
  | 'reputationOf'
  | 'explainPeer'
>;

/** The calls of peers, bound to one service. */
export function peersSurface(peers: Peers): PeersSurface {
  return {
    dialPeer: peers.dialPeer.bind(peers),
    disconnectPeer: peers.disconnectPeer.bind(peers),
    banPeer: peers.banPeer.bind(peers),
    unbanPeer: peers.unbanPeer.bind(peers),
    bannedPeers: peers.bannedPeers.bind(peers),
    maintainConnection: peers.maintainConnection.bind(peers),
    releaseConnection: peers.releaseConnection.bind(peers),
    maintainedPeers: peers.maintainedPeers.bind(peers),
    isConnected: peers.isConnected.bind(peers),
    connectedPeers: peers.connectedPeers.bind(peers),
    peerInfo: peers.peerInfo.bind(peers),
    addPeerAddr: peers.addPeerAddr.bind(peers),
    removePeerAddr: peers.removePeerAddr.bind(peers),
    listenedAddresses: peers.listenedAddresses.bind(peers),
    setConnectionLimits: peers.setConnectionLimits.bind(peers),
    get connectionLimits() {
      return peers.connectionLimits;
    },
    setConnectionPool: peers.setConnectionPool.bind(peers),
    get connectionPool() {
      return peers.connectionPool;
    },
    reportPeer: peers.reportPeer.bind(peers),
    reputationOf: peers.reputationOf.bind(peers),
    explainPeer: peers.explainPeer.bind(peers),
  };
}
