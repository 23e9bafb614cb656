import { expect, test } from 'vitest';
import { tellOldNode } from './oldNode.ts';

/** What is written on an old Node.js, with what that is written to. */
function told(...args: string[]): { readonly stdout: string; readonly stderr: string } {
  const written = { stdout: '', stderr: '' };
  tellOldNode({
    versions: { node: '20.19.0' },
    argv: ['node', 'lloom', ...args],
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
  });
  return written;
}

test('on an old Node.js a doctor says which one it is, and what to do', () => {
  const { stdout, stderr } = told('doctor', '--bootstrap', 'a');
  expect(stdout).toMatch(/^fail {2}node +Node\.js 20\.19\.0 is too old, .*\n +-> Install Node\.js 24\.\n/);
  expect(stdout).toMatch(/\nSomething is wrong\. .* 1 failed, 0 skipped\.\n$/);
  expect(stderr).toBe('');
});

test('on an old Node.js a doctor tells programs what it tells them on others', () => {
  const lines = told('doctor', '--json').stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { event: 'check', check: 'node', status: 'fail' },
    { event: 'summary', ok: 0, warn: 0, fail: 1, skip: 0, ms: 0 },
  ]);
});
