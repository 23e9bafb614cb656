/**
 * The state machines of this package, for visualisers and tests. They may change with any release.
 *
 * @packageDocumentation
 */
export { simulatedNodeMachine, type SimulatedNodeEvent } from './simulatedNode.machine.ts';
