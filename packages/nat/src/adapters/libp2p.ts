import { errorText } from '@lloom/core';
import type { Networks } from '../internal/networks.ts';
import type { NatComponents, NatPorts } from '../ports.ts';
import { libp2pCircuits } from './circuits.ts';
import { CircuitTransport } from './circuitTransport.ts';
import { libp2pDirect } from './direct.ts';
import { libp2pReachability } from './reachability.ts';
import { libp2pRelayHost } from './relayHost.ts';
import { libp2pRelays } from './relays.ts';

/** All that the service needs, through libp2p. */
export function libp2pNetworks(components: NatComponents, ports: NatPorts): Networks {
  const log = components.logger.forComponent('lloom:nat');
  const transport = new CircuitTransport(components);
  return {
    reachability: libp2pReachability(components, ports),
    relays: libp2pRelays(components, ports),
    relayHost: libp2pRelayHost(components, ports),
    circuits: libp2pCircuits(components, ports),
    direct: libp2pDirect(components, ports),
    startTransport: () => transport.start(),
    stopTransport: () => transport.stop(),
    log: (message, error) =>
      log.error('%s - %e', message, error instanceof Error ? error : new Error(errorText(error))),
    write: (text, fields) => log(`${text} %o`, fields),
  };
}
