import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

import { slashed } from './workspace.ts';
import type { Finding } from './workspace.ts';

const limitMs = 30_000;
const atOnce = 2;

/** Runs one example from the sources and says what went wrong. */
function runExample(root: string, file: string): Promise<Finding[]> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--conditions=@lloom/source', join(root, file)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const collect = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-4_000));
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('close', (code, signal) => {
      const ending = signal === null ? `ended with ${code}` : `did not end within ${limitMs / 1_000} s`;
      const message = `${ending}\n${output.trimEnd()}`;
      resolve(code === 0 ? [] : [{ file, rule: 'examples', message }]);
    });
  });
}

/** Every example runs and ends well. */
export async function checkExamples(root: string): Promise<Finding[]> {
  const files = globSync(['packages/*/examples/*.{ts,js}', 'examples/*.{ts,js}'], { cwd: root })
    .map(slashed)
    .toSorted();
  const findings: Finding[] = [];
  const worker = async (): Promise<void> => {
    for (let file = files.shift(); file !== undefined; file = files.shift())
      findings.push(...(await runExample(root, file)));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return findings;
}
