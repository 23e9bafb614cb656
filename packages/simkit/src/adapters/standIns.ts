import type { Fabric, Host } from '../internal/fabric.ts';
import type { StandInRegister } from '../internal/standInRegister.ts';
import { DhtStandIn, type DhtComponents, type DhtStandInConfig, type SharedDht } from './dhtStandIn.ts';
import { IdentifyStandIn, type IdentifyComponents, type IdentifyService } from './identifyStandIn.ts';

/**
 * What stands in for libp2p's own services in networks of very many nodes: each answers from what the network knows, and sends
 * nothing.
 *
 * @example
 * ```ts
 * createLibp2p({ privateKey, ...stack, services: { identify: standIns.identify, dht: standIns.dht } });
 * ```
 */
export interface StandIns {
  /** In place of `identify()` and `identifyPush()`: peers know one another's addresses and protocols as soon as they connect. */
  readonly identify: (components: IdentifyComponents) => IdentifyService;
  /** In place of `kadDHT()`: one table that all nodes share. It takes a configuration of kad-dht beside. */
  readonly dht: (components: DhtComponents, config?: DhtStandInConfig) => SharedDht;
}

/** Those of one host. */
export function standInsOf(register: StandInRegister, host: Host): StandIns {
  const { fabric }: { readonly fabric: Fabric } = register;
  const table = (protocol: string) => register.table(protocol);
  return {
    identify: (components) => new IdentifyStandIn({ register, host }, components),
    dht: (components, config) => new DhtStandIn({ fabric, host, table }, components, config),
  };
}
