import type { Fidelity, TestNetwork } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { Asking, serveStory, type Workload, type StoryTime } from './flowStory.ts';
import { nodes, type SimNode } from './simulation.ts';

const clients = ['client0', 'client1'];
const executors = ['executor0', 'executor1'];
/** Longer than the longest request, and than it takes to close what it has left. */
const calmMs = 60_000;
const time: StoryTime = { after: (ms, act) => void setTimeout(act, ms) };

/** What a story is about. */
export interface NetworkStory {
  readonly seed: number;
  readonly requests: number;
  readonly fidelity: Fidelity;
}

/**
 * Requests of every kind between two clients and two executors over libp2p, while sessions and connections are reset and
 * links are cut; fails unless each ends exactly once, with the right answer, and nothing is left.
 */
export async function networkStory(
  createNetwork: NetworkFixture['createNetwork'],
  { seed, requests, fidelity }: NetworkStory,
): Promise<ReadonlyMap<string, number>> {
  const asking = new Asking(time, { seed: `network/${seed}` });
  const { pick, upTo } = asking.choose;
  const config = { maxInboundRequests: 100, maxInboundRequestsPerPeer: 60 };
  const network = await createNetwork<SimNode>({
    nodes: [...clients, ...executors],
    link: { delayMs: pick([1, 10, 50]), jitterMs: pick([0, 10]), lossRatio: pick([0, 0.01]) },
    seed,
    fidelity,
    createNode: nodes(Object.fromEntries(executors.map((name) => [name, config]))),
  });
  const workloads: Workload[] = [];
  for (const name of executors) workloads.push(await serveStory(network.node(name).rpc, time));
  const storyMs = requests * 10;
  const asked: Promise<void>[] = [];
  for (let count = 0; count < requests; count++)
    network.at(upTo(storyMs), () => {
      const { rpc, identity } = network.node(pick(clients));
      asked.push(asking.ask({ rpc, identity, to: network.node(pick(executors)).identity }));
    });
  for (let fault = 0; fault < requests / 150; fault++)
    network.at(upTo(storyMs), () => breakOne(network, asking));
  await network.runFor(storyMs);
  network.heal();
  await network.runFor(calmMs);
  await Promise.all(asked);
  expect([asking.asked, asking.settled]).toEqual([requests, requests]);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  expect(workloads.map(({ working }) => working.size)).toEqual([0, 0]);
  await network.stop();
  return asking.codes;
}

/** Breaks a session, a connection or a link in one of all ways. */
function breakOne(network: TestNetwork<SimNode>, { choose: { pick } }: Asking): void {
  const [client, executor] = [pick(clients), pick(executors)];
  const node = network.node(pick([client, executor]));
  switch (pick(['reset', 'reset', 'close', 'connection', 'link'])) {
    case 'reset':
      for (const session of node.sessions()) session.abort(new Error('reset'));
      return;
    case 'close':
      for (const session of node.sessions()) void session.close().catch(() => undefined);
      return;
    case 'connection':
      for (const connection of node.node.getConnections()) connection.abort(new Error('reset'));
      return;
    default: {
      const lift = network.partition([client], [executor]);
      setTimeout(lift, pick([50, 1_000]));
    }
  }
}
