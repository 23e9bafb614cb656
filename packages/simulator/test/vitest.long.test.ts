import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('fixtures', import.meta.url));
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');

/** Runs the tests of the fixtures, some of which fail on purpose. */
function runFixtures(): Promise<{ output: string; errors: string }> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'));
  const child = spawn(process.execPath, [vitest, 'run', '--root', root], {
    env: Object.fromEntries(inherited),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 50_000,
    killSignal: 'SIGKILL',
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => void (errors += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve({ output, errors }));
  });
}

test('a test that fails or times out prints its seed and the end of its trace, and gives real time back', async () => {
  const { output, errors } = await runFixtures();
  const results = output.split('\n').filter((line) => /^(?:not )?ok /.test(line));
  expect(results.map((line) => line.replace(/ \d+ - failing.fixture.ts > | # time=.*/g, ' ').trim())).toEqual(
    [
      'not ok fails',
      'not ok times out while time runs',
      'ok has a simulator again, beside other fixtures',
      'ok lives in real time afterwards',
    ],
  );
  expect(errors).toMatch(/"fails" failed with seed 4711, after 1\.50\d s of virtual time and \d+ events/);
  expect(errors).toContain('the last thing that happened');
  expect(errors).toContain('"times out while time runs" failed with seed 4712');
});
