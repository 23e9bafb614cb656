import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { checkGenerated } from './generated.ts';
import { checkLinks } from './text.ts';

/** A repository that holds these files and nothing else. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lloom-checks-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const versionFile = 'packages/core/src/internal/version.ts';

test('a package tells its peers the version of its manifest', () => {
  const root = tree({
    'packages/core/package.json': '{"name":"@lloom/core","version":"0.2.0"}',
    [versionFile]: "export const version = '0.1.0';\n",
  });
  expect(checkGenerated(root)).toEqual([expect.objectContaining({ file: versionFile, rule: 'generated' })]);
  expect(checkGenerated(root, true)).toEqual([]);
  expect(readFileSync(join(root, versionFile), 'utf8')).toBe("export const version = '0.2.0';\n");
  expect(checkGenerated(root)).toEqual([]);
});

test('a link that GitHub and npm read differently is refused', () => {
  const readme = '[one](/docs/one.md) and [two](../../docs/one.md)\n';
  const root = tree({ 'packages/core/README.md': readme, 'docs/one.md': '# One\n' });
  const message = '"/docs/one.md" begins with a slash: make it relative to the file';
  expect(checkLinks(root)).toEqual([{ file: 'packages/core/README.md', line: 1, rule: 'links', message }]);
});
