// Runs Vitest itself, a part of the tests at a time.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { missedIn, removeFolders, runVitest, temporaryFolder, type Outcome } from './runVitest.ts';

afterAll(removeFolders);

it('shards that are merged have the coverage of the whole, which is enforced, and keep their pages', async () => {
  const blobs = temporaryFolder();
  const folder = join(temporaryFolder(), 'machines');
  const shard = (index: number, coverage: object): Promise<Outcome> =>
    runVitest({
      files: ['opens', 'locks'],
      coverage: { thresholds: { transitions: 100 }, ...coverage },
      args: [`--shard=${index}/2`],
      blob: join(blobs, `${index}.json`),
    });
  const first = await shard(1, {});
  const second = await shard(2, { folder });
  for (const { code, output } of [first, second]) {
    expect(code).toBe(0);
    expect(output).toContain('not enforced: only a part of the tests ran');
  }
  const written = readdirSync(folder);
  const merged = await runVitest({
    files: ['opens', 'locks'],
    coverage: { thresholds: { transitions: 100 }, folder },
    args: [`--merge-reports=${blobs}`],
  });
  expect(merged.output).not.toContain('not enforced');
  expect(merged.code).toBe(0);
  expect(missedIn({ folder })).toEqual({ door: [] });
  expect(readdirSync(folder)).toEqual(written);
  const index = readFileSync(join(folder, 'index.html'), 'utf8');
  const links = [...index.matchAll(/href="([^"]+\.html)"/g)].map(([, href]) => href ?? '');
  expect(links.length).toBeGreaterThan(0);
  // Pages that another shard wrote elsewhere have no link that leads nowhere.
  for (const link of links) expect(existsSync(join(folder, link))).toBe(true);
}, 120_000);
