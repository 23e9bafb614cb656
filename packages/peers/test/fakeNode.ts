import { recordFile } from '@lloom/inspector/vitest';
import { afterEach } from 'vitest';

import type { PeersConfig } from '../src/config.ts';
import { PeersError } from '../src/errors.ts';
import type { PeersEvents } from '../src/events.ts';
import { createPeers } from '../src/peers.ts';
import type { PeersPorts } from '../src/ports.ts';
import { FakeClock, FakeNetwork, FakeRandom, type FakeStore } from './fakes.ts';

/** Names of all events. */
const eventTypes = ['connection:established', 'connection:closed', 'peer:banned', 'peer:unbanned'] as const;

/** What a node without pings and a pool is made of. */
export interface FakeNodeOptions {
  readonly store?: FakeStore;
  readonly clock?: FakeClock;
}

/** Makes nodes over a network that does what the test says; call it at the top of a file. */
export function fakeNodes() {
  const machines = recordFile();
  const running: { stop(): void | Promise<void> }[] = [];
  afterEach(async () => {
    for (const node of running.splice(0)) await node.stop();
  });

  /** A node that is made, and not started. */
  function prepareNode(
    config: PeersConfig & PeersPorts = {},
    { store, clock = new FakeClock() }: FakeNodeOptions = {},
  ) {
    const network = new FakeNetwork();
    const random = new FakeRandom();
    const peers = createPeers(
      { clock, random, inspect: machines.inspect as never, pingIntervalMs: 0, ...config },
      () => network,
      store && (() => store),
    );
    const told: [string, unknown][] = [];
    for (const type of eventTypes) peers.addEventListener(type, ({ detail }) => told.push([type, detail]));
    running.push(peers);
    /** What was told of one kind. */
    const toldOf = <K extends keyof PeersEvents>(type: K): PeersEvents[K][] =>
      told.filter(([name]) => name === type).map(([, detail]) => detail as PeersEvents[K]);
    const start = async (): Promise<void> => {
      await peers.start();
      await peers.afterStart?.();
    };
    return { network, clock, random, peers, told, toldOf, start };
  }

  /** A node that runs at once. */
  function createNode(config: PeersConfig & PeersPorts = {}) {
    const node = prepareNode(config);
    void node.peers.start();
    void node.peers.afterStart?.();
    return node;
  }

  return { machines, prepareNode, createNode };
}

/** A node over a network that does what the test says. */
export type FakeNode = ReturnType<ReturnType<typeof fakeNodes>['prepareNode']>;

/** The code that a promise is rejected with. */
export const codeOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return PeersError.is(error) ? error.code : error;
  }
};
