/**
 * Networks of real libp2p nodes in virtual time: seeded, deterministic, with faults on command.
 *
 * @packageDocumentation
 */
export { VirtualClock, type VirtualClockConfig } from './clock.ts';
export { SimkitError, type SimkitErrorCode, type SimkitErrorData } from './errors.ts';
export type { LinkConfig } from './link.ts';
export { createTestNetwork } from './network.ts';
export { seededRandom, type SeededRandom } from './random.ts';
export type { Trace } from './trace.ts';
export type {
  CrashConfig,
  Fidelity,
  RestartConfig,
  SimHost,
  SimStack,
  Stoppable,
  TestNetwork,
  TestNetworkConfig,
  WaitConfig,
} from './types.ts';
