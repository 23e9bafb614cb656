/**
 * Networks of real libp2p nodes in virtual time: seeded, deterministic, with faults on command.
 *
 * @packageDocumentation
 */
export type { DhtComponents, DhtStandInConfig, DhtStandInEvent, SharedDht } from './adapters/dhtStandIn.ts';
export type { DiscoveryComponents } from './adapters/discovery.ts';
export type { IdentifyComponents, IdentifyService } from './adapters/identifyStandIn.ts';
export type { StandIns } from './adapters/standIns.ts';
export type { TransportComponents } from './adapters/transport.ts';
export { VirtualClock, VirtualTimer, type ClockEntry, type VirtualClockConfig } from './clock.ts';
export { SimkitError, type SimkitErrorCode, type SimkitErrorData } from './errors.ts';
export { hostKeyBytes } from './keys.ts';
export { resolveLink, type Link, type LinkConfig } from './link.ts';
export {
  checkDeterminism,
  simCheck,
  type CheckConfig,
  type CheckResult,
  type Checkable,
  type DeterminismConfig,
} from './check.ts';
export { createTestNetwork } from './network.ts';
export {
  bandwidthClass,
  linkPreset,
  regionLinks,
  regions,
  type BandwidthClass,
  type HostBandwidth,
  type LinkEnd,
  type LinkPreset,
  type LinkRule,
  type Region,
  type RegionConfig,
  type RegionMatrix,
} from './presets.ts';
export { seededRandom, type SeededRandom } from './random.ts';
export type { Trace } from './trace.ts';
export type {
  AlwaysConfig,
  CrashConfig,
  EncrypterComponents,
  EventuallyConfig,
  Fidelity,
  MuxerComponents,
  Property,
  RestartConfig,
  SimHost,
  SimStack,
  Stoppable,
  TestNetwork,
  TestNetworkConfig,
  Traffic,
  WaitConfig,
} from './types.ts';
