import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { programs } from './support/lloom.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lloom-test-'));
});
afterEach(() => rmSync(home, { recursive: true }));

/** Starts the command as the user whose folders these are. */
function start(env: NodeJS.ProcessEnv): void {
  const { NODE_COMPILE_CACHE: _, ...rest } = process.env;
  const { status } = spawnSync(process.execPath, [programs.lloom, '--version'], { env: { ...rest, ...env } });
  expect(status).toBe(0);
}

describe('what Node compiles', () => {
  test("is kept in the user's cache folder", () => {
    start({ XDG_CACHE_HOME: home, LOCALAPPDATA: home });
    expect(readdirSync(join(home, 'lloom', 'compiled'))).not.toHaveLength(0);
  });

  test('is not kept for who does not want that, or cannot have it', () => {
    start({ XDG_CACHE_HOME: home, LOCALAPPDATA: home, NODE_DISABLE_COMPILE_CACHE: '1' });
    expect(existsSync(join(home, 'lloom'))).toBe(false);
    const nowhere = join(process.execPath, 'cache');
    start({ XDG_CACHE_HOME: nowhere, LOCALAPPDATA: nowhere });
  });
});
