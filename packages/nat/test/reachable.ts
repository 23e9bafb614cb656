import { identify, identifyPush } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { EventHub, systemClock, systemRandom, type Clock, type Inspector, type Random } from '@lloom/core';
import type { SimHost } from '@lloom/simkit';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { libp2pReachability } from '../src/adapters/reachability.ts';
import { autonatDefaults } from '../src/config.ts';
import type { NatEvents } from '../src/events.ts';
import type { NatComponents } from '../src/ports.ts';
import { Probing } from '../src/probing.ts';
import type { AutonatConfig, NatStatus } from '../src/types.ts';

/** The part of the service under test, alone. */
export interface Reach {
  readonly probing: Probing;
  /** Every status that was told, in order. */
  readonly told: NatStatus[];
  readonly logged: unknown[];
  readonly hub: EventHub<NatEvents>;
}

/** What a node of these tests is given beside libp2p's own. */
export interface ReachConfig {
  /** `false` for a node that neither asks nor answers. */
  readonly autonat?: AutonatConfig | false;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly inspect?: Inspector;
}

export type ReachNode = Libp2p<{ reach: Reach }>;

/** The settings of tests: any address counts. */
export const autonatOf = (config: AutonatConfig = {}): Required<AutonatConfig> => ({
  ...autonatDefaults,
  onlyGlobalIps: false,
  ...config,
});

export function reach({
  autonat = {},
  clock = systemClock,
  random = systemRandom,
  inspect,
}: ReachConfig = {}) {
  return (components: NatComponents): Reach => {
    const logged: unknown[] = [];
    const told: NatStatus[] = [];
    const hub = new EventHub<NatEvents>((error) => logged.push(error));
    const probing = new Probing({
      clock,
      random,
      inspect,
      hub,
      log: (_, error) => logged.push(error),
      network: libp2pReachability(components, { clock, random }),
      changed: () => undefined,
    });
    hub.addEventListener('nat:changed', ({ detail }) => told.push(detail.status));
    if (autonat !== false) void probing.enable(autonatOf(autonat));
    const life = {
      start: () => undefined,
      afterStart: () => probing.start(),
      stop: () => probing.stop(),
    };
    return Object.assign(life, { probing, hub, told, logged });
  };
}

/** A node on a simulated host. */
export function createSimNode(
  host: SimHost,
  config: ReachConfig = {},
  options: Libp2pOptions = {},
): Promise<ReachNode> {
  const { clock, random } = host;
  return createLibp2p({
    privateKey: host.privateKey,
    datastore: host.datastore,
    addresses: { listen: [host.address] },
    ...host.stack,
    connectionMonitor: { enabled: false },
    connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
    ...options,
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ...options.services,
      reach: reach({ clock, random, ...config }),
    },
  }) as Promise<ReachNode>;
}

export const probingOf = ({ services }: ReachNode): Probing => services.reach.probing;
export const kindOf = (node: ReachNode): NatStatus['kind'] => probingOf(node).status.kind;
export const toldOf = ({ services }: ReachNode): NatStatus[] => services.reach.told;
