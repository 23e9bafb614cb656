import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { advertiseAll, crowd, findAll, peerIdOf, serviceOf, stockProviders } from './simNodes.ts';

const executors = Array.from({ length: 45 }, (_, at) => `e${at + 1}`);

describe('forty-five executors of one model', () => {
  test('are all found, also where the DHT names twenty', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: ['hub', 's1', 's2', ...executors, 'c1', 'c2'],
      link: { delayMs: 10 },
      // Few are servers: what counts here is how many providers they hold.
      createNode: crowd((name) => ({ onlyAsks: !name.startsWith('e'), isClient: !name.startsWith('s') })),
    });
    await advertiseAll(network, executors);
    const all = executors.toSorted((a, b) => a.localeCompare(b));
    // Of whom nobody has told it anything yet.
    const list = await network.run(() => serviceOf(network, 'c2').findModelProviders('demo-small'));
    expect(list.map(({ peerId }) => peerId).toSorted()).toEqual(
      executors.map((name) => peerIdOf(network, name)).toSorted(),
    );
    // A server of the DHT that holds the key itself is told twenty by its own DHT, and no more.
    expect(await stockProviders(network, 's1', 'lloom/model/demo-small')).toHaveLength(20);
    for (const name of ['s1', 'c1']) expect(await findAll(network, name)).toEqual(all);
  });
});
