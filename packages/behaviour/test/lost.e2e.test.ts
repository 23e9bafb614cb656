import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Identity } from '../src/index.ts';
import { createNode, next, question } from './nodes.ts';

test('a request that was interrupted by a restart is told after it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lloom-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const identity = Identity.generate();
  const config = { datastorePath: join(folder, 'store') };
  const client = await createNode();
  const before = await createNode(config, identity);
  const begun = Promise.withResolvers<void>();
  before.serve(async (_request, { signal }) => {
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });
  await client.dialPeer(before.peerId, before.listenedAddresses());
  const message = await question(client.identity, before.peerId, { idempotencyKey: 'one and the same' });
  client.sendRequest(before.peerId, message);
  await begun.promise;
  await before.stop({ drainMs: 0 });
  const after = await createNode(config, identity);
  expect(await next(after, 'request:lost')).toMatchObject({ idempotencyKey: 'one and the same' });
});
