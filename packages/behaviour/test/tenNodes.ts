import type { TestNetwork } from '@lloom/simkit';
import { expect } from 'vitest';
import { findAndAsk, planet, serve, type SimNode } from './simNodes.ts';

/** Five executors and five clients, of whom nobody knows more than the first. */
export const executors = ['e0', 'e1', 'e2', 'e3', 'e4'];
export const clients = ['c0', 'c1', 'c2', 'c3', 'c4'];
/** The network of the specification's example. */
export const ten = { nodes: [...executors, ...clients], link: planet };

/** Half a minute of the network; then every client finds an executor and asks it. */
export async function liveAndAsk(network: TestNetwork<SimNode>): Promise<void> {
  for (const name of executors) await network.run(serve(network.node(name), network.clock));
  await network.runFor(30_000 - network.clock.elapsed());
  const degrees = [...network.nodes.values()].map((node) => node.connectedPeers().length);
  expect({ seed: network.seed, degrees }).toEqual({ seed: network.seed, degrees: degrees.map(() => 9) });
  const ids = executors.map((name) => network.node(name).peerId);
  const answers = await network.run(Promise.all(clients.map((name) => findAndAsk(network.node(name)))));
  const good = answers.filter(({ by, text }) => ids.includes(by) && text === 'to be or not').length;
  expect({ seed: network.seed, good }).toEqual({ seed: network.seed, good: clients.length });
}
