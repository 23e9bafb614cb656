/**
 * The state machines of this package, for visualisers and tests. They may change with any release.
 *
 * @packageDocumentation
 */
export { peerMachine, type PeerEmitted, type PeerEvent, type PeerInput } from './peer.machine.ts';
export { poolMachine, type PoolEvent, type PoolInput } from './pool.machine.ts';
