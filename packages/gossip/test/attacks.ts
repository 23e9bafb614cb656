import type { NetworkFixture } from '@lloom/simkit/vitest';
import {
  connect,
  createSimNode,
  gossipOf,
  Ledger,
  link,
  noKeys,
  randomPairs,
  subscribeAll,
  topic,
} from './simNodes.ts';

/** How many live in a network under attack, and how they are linked. */
export interface Siege {
  readonly honest: number;
  readonly censors: number;
  /** How many honest ones each node dials. */
  readonly degree: number;
}

/**
 * A network in which most swallow what they are given: they subscribe, graft and hear, and pass nothing on. Gives the share
 * of what honest ones say that reaches honest ones within a time.
 */
export async function besiege(
  createNetwork: NetworkFixture['createNetwork'],
  { honest, censors, degree }: Siege,
  withinMs: number,
): Promise<number> {
  const good = Array.from({ length: honest }, (_, at) => `good${at}`);
  const bad = Array.from({ length: censors }, (_, at) => `bad${at}`);
  const network = await createNetwork({
    nodes: [...good, ...bad],
    link,
    createNode: (host) => createSimNode(host, { keys: noKeys }),
  });
  for (const name of bad) gossipOf(network, name).createTopic(topic, { validate: () => 'ignore' });
  await subscribeAll(network, [...good, ...bad]);
  // The censors are there first, so that meshes are full of them.
  const assaults = bad.flatMap((name, at) =>
    Array.from({ length: degree }, (_, n): [string, string] => [name, good[(at * degree + n) % honest]!]),
  );
  await connect(network, assaults);
  await network.runFor(3_000);
  await connect(network, randomPairs(good, degree));
  await network.runFor(5_000);
  const ledger = new Ledger(network, good);
  for (let at = 0; at < 30; at++) {
    ledger.publish(good[(at * 7) % honest]!, `m${at}`);
    await network.runFor(100);
  }
  await network.runFor(withinMs);
  return ledger.delivered(withinMs, good);
}
