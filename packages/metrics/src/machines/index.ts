/**
 * The state machines of this package, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { samplerMachine } from './sampler.machine.ts';
