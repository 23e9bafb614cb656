import type { NetworkConfig, NodePorts } from '../config.ts';

/** Tells what a node is given from how it is set up. A port that is `undefined` is not given. */
export function portsAndConfig(given: NetworkConfig & NodePorts): {
  readonly ports: NodePorts;
  readonly network: NetworkConfig;
} {
  const { inspect, clock, random, stack, datastore, localDiscovery, ...others } = given;
  const { registry, tracer, log, ...network } = others;
  const all = { inspect, clock, random, stack, datastore, localDiscovery, registry, tracer, log };
  const ports = Object.entries(all).filter(([, port]) => port !== undefined);
  return { ports: Object.fromEntries(ports), network };
}
