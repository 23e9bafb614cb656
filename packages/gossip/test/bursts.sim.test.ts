import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import {
  connect,
  createSimNode,
  gossipOf,
  Ledger,
  link,
  noKeys,
  spokes,
  subscribeAll,
  type SimNetwork,
} from './simNodes.ts';

/** As many as a node says at once. */
const burst = 100;

function say(ledger: Ledger, by: string): void {
  for (let at = 0; at < burst; at++) ledger.publish(by, `m${at}`);
}

describe('a hundred messages at once, all that a node says', () => {
  test('are heard by one that connects half a second later', async ({ createNetwork }) => {
    const names = ['hub', 'author', 'early', 'late'];
    const network: SimNetwork = await createNetwork({
      nodes: names,
      link,
      createNode: (host) => createSimNode(host, { keys: noKeys }),
    });
    await subscribeAll(network, names);
    await connect(network, spokes('hub', ['author', 'early']));
    await network.runFor(2_000);
    const ledger = new Ledger(network, ['early', 'late']);
    say(ledger, 'author');
    await network.runFor(500);
    await connect(network, [['late', 'hub']]);
    await network.runFor(4_000);
    expect(ledger.delivered(4_000, ['early'])).toBe(1);
    expect(ledger.delivered(4_000, ['late'])).toBe(1);
    expect(gossipOf(network, 'late').snapshot().dropped.replayed).toBe(0);
  });

  test('are heard by all thirty leaves of a hub whose mesh holds twelve', async ({ createNetwork }) => {
    const leaves = Array.from({ length: 30 }, (_, at) => `leaf${at}`);
    const network: SimNetwork = await createNetwork({
      nodes: ['hub', ...leaves],
      link,
      createNode: (host) => createSimNode(host, { keys: noKeys }),
    });
    await subscribeAll(network, ['hub', ...leaves]);
    await connect(network, spokes('hub', leaves));
    await network.runFor(2_000);
    const ledger = new Ledger(network, leaves);
    say(ledger, 'leaf0');
    await network.runFor(2_500);
    expect(ledger.delivered(2_000)).toBe(1);
    expect(ledger.doubles).toBe(0);
  });
});
