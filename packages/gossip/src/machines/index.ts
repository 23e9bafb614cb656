/**
 * The state machines of this package, for drawing and testing. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { alarmMachine } from './alarm.machine.ts';
export { subscriptionMachine } from './subscription.machine.ts';
