import { expect, test } from 'vitest';

import { storm } from './storm.ts';

const mebibyte = 1_048_576;

test('a storm of 2,000 dials and 10,000 streams from 50 peers neither fills the memory nor keeps an honest peer waiting, and leaves nothing behind', async () => {
  const done = await storm('tuned', ['--conditions=@lloom/source']);
  expect(done).toMatchObject({ dials: 2_000, streams: 10_000, unanswered: 0, reopened: 0 });
  // It did rage: the attackers got in, and most of their streams did.
  expect(done.connected).toBeGreaterThan(100);
  expect(done.opened).toBeGreaterThan(5_000);
  expect(done.rssGrowth).toBeLessThan(256 * mebibyte);
  expect(done.p99Ms).toBeLessThan(1_000);
  expect(done).toMatchObject({ connections: 0, tracked: 0 });
  expect(done.heapGrowth).toBeLessThan(32 * mebibyte);
});
