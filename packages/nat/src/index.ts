/**
 * Whether a node can be reached, and how it is reached anyway: AutoNAT v2 with all its knobs, relays whose places are kept and
 * asked for again, and connections that leave their relay where NATs allow it.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({ ...rest, services: { identify: identify(), nat: nat() } });
 * const { nat: service } = node.services;
 * service.addEventListener('nat:changed', ({ detail }) => console.log(detail.status.kind));
 * await service.enableRelayClient();
 * ```
 *
 * @packageDocumentation
 */
import { libp2pNetworks } from './adapters/libp2p.ts';
import type { Nat } from './api.ts';
import type { NatConfig } from './config.ts';
import { createNat } from './nat.ts';
import type { NatComponents, NatPorts } from './ports.ts';

export type { Nat } from './api.ts';
export type { NatConfig } from './config.ts';
export { NatError, type NatErrorCode, type NatErrorData } from './errors.ts';
export type { NatEvents } from './events.ts';
export { isPublic } from './internal/status.ts';
export type { DialCall, Dialer, NatComponents, NatPorts, RelayCandidate, RelaySource } from './ports.ts';
export type {
  AutonatConfig,
  CallConfig,
  NatExplanation,
  NatMapping,
  NatStatus,
  RelayClientConfig,
  RelayedCircuit,
  RelayedConnection,
  RelayLimits,
  RelayServerConfig,
  ReservationState,
  StaysRelayedReason,
  UpgradeState,
  UpgradeWay,
} from './types.ts';

/**
 * Makes the service of a node: `createLibp2p({ services: { identify: identify(), nat: nat() } })`. It brings the transport for
 * relays along.
 *
 * @throws {ConfigError} listing every problem of the configuration
 */
export function nat(config: NatConfig & NatPorts = {}): (components: NatComponents) => Nat {
  return (components) => createNat(config, (ports) => libp2pNetworks(components, ports));
}
