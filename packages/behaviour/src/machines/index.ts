/**
 * The state machines of a node, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { debuggingMachine } from './debugging.machine.ts';
export { nodeMachine } from './node.machine.ts';
