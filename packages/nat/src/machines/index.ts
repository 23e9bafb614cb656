/**
 * The state machines of this package, for visualisers and tests. They may change with any release.
 *
 * @packageDocumentation
 */
export { reachabilityMachine } from './reachability.machine.ts';
export { relaySearchMachine } from './relaySearch.machine.ts';
export { reservationMachine } from './reservation.machine.ts';
export {
  upgradeMachine,
  type Agreed,
  type Punched,
  type UpgradeEmitted,
  type UpgradeEvent,
  type UpgradeInput,
} from './upgrade.machine.ts';
