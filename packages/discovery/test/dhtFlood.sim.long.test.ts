import { test } from '@lloom/simkit/vitest';
import { describe } from 'vitest';
import { create, floodKeys, floodRecords } from './dhtFlood.ts';

const count = 10_000;

describe(`a flood of the DHT by one peer with ${count} messages`, () => {
  test('stores no record without a namespace, no record of a key, and one descriptor', async ({
    createNetwork,
  }) => {
    await floodRecords(await createNetwork(create()), count);
  });

  test('stores no more provided keys than its share, and none that is no hash', async ({ createNetwork }) => {
    await floodKeys(await createNetwork(create()), count);
  });
});
