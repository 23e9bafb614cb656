import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('fixtures', import.meta.url));
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');

/** Runs the tests of the fixtures, which fail on purpose. */
function runFixtures(): Promise<{ output: string; errors: string }> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'));
  const child = spawn(process.execPath, [vitest, 'run', '--root', root], {
    env: Object.fromEntries(inherited),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
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
      'not ok times out while time stands still',
      'not ok times out while time runs',
      'not ok times out while its network is started',
      'ok has a network again',
      'not ok fails with its third seed',
      'not ok times out in a check that goes on',
      'not ok times out in a check with a signal',
      'ok checks again',
      'ok lives in real time afterwards',
    ],
  );
  expect(errors).toContain('"fails" failed with seed 4711, after 1.500 s of virtual time');
  expect(errors).toContain('0.000000 the last thing that happened');
  expect(errors).toContain('"times out while time stands still" failed with seed 4712');
  expect(errors).toContain('n0 > n1 dial');
  expect(errors).toContain('"times out while time runs" failed with seed 4713');
  expect(errors).toContain('"times out while its network is started" failed with seed 4714');
  expect(output).toContain('Seed 3 failed after 2 that passed, at 1.500 s of virtual time');
  expect(output).toContain('0.000000 the last thing of a seed');
  expect(output).toContain('SIM_SEED=3');
  // What the error says is not said again.
  expect(errors).not.toContain('fails with its third seed');
  expect(errors).toContain('"times out in a check that goes on" failed with seed');
});
