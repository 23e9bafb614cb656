import type { Libp2p, Stream } from '@libp2p/interface';
import type { SimHost, TestNetwork } from '@lloom/simkit';

import {
  addressOf,
  createKeeping,
  createOddRelay,
  createRelay,
  hopProtocol,
  simOptions,
  type KeepingConfig,
  type KeepingNode,
} from './reservingNodes.ts';

export const link = { delayMs: 20 };
export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;

export type Node = Libp2p;
export type Network = TestNetwork<Node>;
export type Odd = (stream: Stream) => unknown;

export interface Plan {
  /** Of nodes that keep places, by name; those without one get none. */
  readonly config?: (host: SimHost, others: ReadonlyMap<string, Node>) => KeepingConfig;
  readonly odd?: Odd;
  readonly maxReservations?: number;
  readonly ttlMs?: number;
}

/** Names say what a node is: `a…` keeps places, `r…` relays, `o…` takes what relays are asked and is odd. */
export const nodesFor =
  ({ config, odd, maxReservations = 100, ttlMs }: Plan = {}) =>
  (host: SimHost, others: ReadonlyMap<string, Node>): Promise<Node> => {
    const options = simOptions(host);
    if (host.name.startsWith('r'))
      return createRelay(options, {
        reservations: { maxReservations, ...(ttlMs !== undefined && { reservationTtl: ttlMs }) },
      });
    if (host.name.startsWith('o')) return createOddRelay(options, odd ?? (() => undefined));
    const { clock, random } = host;
    return createKeeping(options, { clock, random, ...config?.(host, others) });
  };

export const keepingOf = (network: Network, name: string) =>
  (network.node(name) as KeepingNode).services.keeping;
export const relayOf = (network: Network, name: string): string => addressOf(network.node(name));
export const entryOf = (network: Network, name: string) =>
  keepingOf(network, name).reserving.explain().relays[0];

export const hopStreams = (network: Network) =>
  network
    .node('a')
    .getConnections()
    .flatMap(({ streams }) => streams.filter(({ protocol }) => protocol === hopProtocol));

export const through = (network: Network, relay: string): string => `${relayOf(network, relay)}/p2p-circuit`;
