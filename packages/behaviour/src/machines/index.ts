/**
 * The state machine of a node, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { nodeMachine } from './node.machine.ts';
