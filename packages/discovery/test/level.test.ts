import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeDescriptorFrame } from '@lloom/codec';
import { LevelDatastore } from 'datastore-level';
import { afterEach, expect, it } from 'vitest';
import { openStore } from '../src/adapters/store.ts';
import { descriptorFrame, executor, FakeClock, peerIds } from './fakes.ts';

let folder: string | undefined;

afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
});

it('what is known of peers and the own sequence number are on disk when a process ends', async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-discovery-'));
  const clock = new FakeClock();
  const onError = (_: string, error: unknown): never => {
    throw error;
  };
  const before = new LevelDatastore(folder);
  await before.open();
  const store = openStore(before, { clock, onError });
  const said = decodeDescriptorFrame(await descriptorFrame(peerIds.bob, [executor()], { clock }))!;
  store.keep(said);
  await store.reserve(clock.now());
  await store.settled();
  await before.close();

  const after = new LevelDatastore(folder);
  await after.open();
  const reopened = openStore(after, { clock, onError });
  expect(await reopened.loadSequence()).toBeGreaterThanOrEqual(clock.now());
  expect(await reopened.loadPeers()).toMatchObject({ messages: [{ payload: said.payload }], damaged: 0 });
  await after.close();
});
