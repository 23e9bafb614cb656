import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { crash } from './crashes.ts';

test('a process that is killed 20 times while it writes loses nothing that was acknowledged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lloom-crash-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  expect((await crash(folder, 20)).acknowledged).toBeGreaterThan(1_000);
});
