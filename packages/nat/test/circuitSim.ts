import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { Connection, ConnectionGater } from '@libp2p/interface';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';

import type { NatComponents, NatPorts } from '../src/ports.ts';
import type { Relaying } from '../src/relaying.ts';
import type { RelayServerConfig } from '../src/types.ts';
import { idOf, relayAt, throughRelay, type CircuitNode } from './circuitNodes.ts';

/** What a network is made of. */
export interface Given {
  readonly createNetwork: NetworkFixture['createNetwork'];
  /** `r` relays, `a` and `c` dial, others are reached through `r`. */
  readonly nodes?: readonly string[];
  readonly config?: RelayServerConfig;
  readonly ports?: NatPorts;
  readonly gater?: ConnectionGater;
  /** Whether `r` is libp2p's own relay. */
  readonly isStock?: boolean;
  /** Whether `b` listens on its host as well. */
  readonly isPublic?: boolean;
}

/** A network that runs. */
export interface Made {
  readonly network: TestNetwork<CircuitNode>;
  /** Of `r`, unless that is libp2p's own. */
  readonly relaying: () => Relaying;
  readonly r: CircuitNode;
  readonly a: CircuitNode;
  readonly b: CircuitNode;
}

const listenOf = (host: SimHost, relay: CircuitNode | undefined): string =>
  relay === undefined || host.name === 'a' || host.name === 'c' ? host.address : throughRelay(relay);

export async function make({ createNetwork, nodes = ['r', 'a', 'b'], ...given }: Given): Promise<Made> {
  const { config, gater, isPublic = false, isStock = false, ports } = given;
  let relaying: Relaying | undefined;
  const createNode = async (
    host: SimHost,
    others: ReadonlyMap<string, CircuitNode>,
  ): Promise<CircuitNode> => {
    const node = await createLibp2p({
      ...host.stack,
      privateKey: host.privateKey,
      datastore: host.datastore,
      addresses: {
        listen: [listenOf(host, others.get('r')), ...(isPublic && host.name === 'b' ? [host.address] : [])],
      },
      transports: [...host.stack.transports, circuitRelayTransport()],
      // Whoever comes through a relay comes from its address, which libp2p limits to 5 connections a second.
      connectionManager: { inboundConnectionThreshold: 10_000 },
      ...(host.name === 'r' && gater !== undefined && { connectionGater: gater }),
      services: {
        ...(isStock && host.name === 'r' && { relay: circuitRelayServer() }),
        identify: identify(),
        parts: (lent: NatComponents) => ({ lent }),
      },
    });
    if (host.name === 'r' && !isStock)
      relaying = await relayAt(node, config, { clock: host.clock, ...ports });
    return node;
  };
  const network = await createNetwork({
    nodes,
    // Only where bytes are counted does encryption matter.
    fidelity: isStock ? 'full' : 'wire',
    createNode,
  });
  const [r, a, b] = [network.node('r'), network.node('a'), network.node('b')];
  const own = (): Relaying => {
    if (relaying === undefined) throw new Error("the relay is libp2p's own");
    return relaying;
  };
  return { network, r, a, b, relaying: own };
}

/** One more connection through a relay. */
export const dialAgain = (from: CircuitNode, relay: CircuitNode, to: CircuitNode): Promise<Connection> =>
  from.services.parts.lent.connectionManager.openConnection(
    multiaddr(`${throughRelay(relay)}/p2p/${idOf(to)}`),
    { force: true },
  );

/** Asks for a place. */
export const reserveAt = (node: CircuitNode, relay: CircuitNode): Promise<void> =>
  node.services.parts.lent.transportManager.listen([multiaddr(throughRelay(relay))]);
