/**
 * The state machines of this package, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { inboundMachine } from './inbound.machine.ts';
export { requestMachine } from './request.machine.ts';
