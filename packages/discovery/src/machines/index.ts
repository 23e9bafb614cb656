/**
 * The state machines of this package, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { advertisementMachine } from './advertisement.machine.ts';
export { announcementMachine } from './announcement.machine.ts';
export { bootstrapMachine } from './bootstrap.machine.ts';
export { deadPeerMachine } from './deadPeer.machine.ts';
export { localPeerMachine } from './localPeer.machine.ts';
export { refreshMachine } from './refresh.machine.ts';
export { registryMachine } from './registry.machine.ts';
