/**
 * The state machines of this package, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { advertisementMachine } from './advertisement.machine.ts';
export { bootstrapMachine } from './bootstrap.machine.ts';
export { refreshMachine } from './refresh.machine.ts';
