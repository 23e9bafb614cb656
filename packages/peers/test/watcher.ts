import type { Libp2p } from '@libp2p/interface';
import { systemRandom, type Clock } from '@lloom/core';
import { createLibp2p, type Libp2pOptions } from 'libp2p';

import { libp2pNetwork } from '../src/adapters/libp2p.ts';
import { peersDefaults as config } from '../src/config.ts';
import { Liveness } from '../src/liveness.ts';
import type { NetworkConnection, PeersComponents } from '../src/ports.ts';

/** A node that watches over its connections as in production, and what it has found. */
export interface Watcher {
  readonly node: Libp2p;
  readonly dead: readonly { readonly at: number; readonly message: string }[];
  /** The connections that are open. */
  readonly open: ReadonlySet<NetworkConnection>;
  stop(): Promise<void>;
}

export async function createWatcher(clock: Clock, options: Libp2pOptions): Promise<Watcher> {
  let components: PeersComponents | undefined;
  const probe = (given: PeersComponents): object => {
    components = given;
    return {};
  };
  const node = await createLibp2p({ ...options, services: { ...options.services, probe } });
  if (components === undefined) throw new Error('libp2p made no service');
  const { backgroundProtocols } = config;
  const network = libp2pNetwork(components, { clock, random: systemRandom, backgroundProtocols });
  network.takeOverMonitoring();
  const open = new Set<NetworkConnection>();
  network.watch({
    opened: (connection) => void open.add(connection),
    closed: (connection) => void open.delete(connection),
    recorded: () => undefined,
  });
  const dead: { readonly at: number; readonly message: string }[] = [];
  const liveness = new Liveness({
    clock,
    config,
    connections: () => open,
    onDead: (connection, { message }) => {
      dead.push({ at: clock.elapsed(), message });
      void connection.close();
    },
    log: (message, error) => network.log(message, error),
  });
  liveness.start();
  const stop = async (): Promise<void> => {
    liveness.stop();
    await node.stop();
  };
  return { node, dead, open, stop };
}
