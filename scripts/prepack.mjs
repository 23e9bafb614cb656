// Runs in the folder of a package before it is packed, so that what is packed is what the sources say, whatever was there before. Half
// a second when all is built.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, rmSync } from 'node:fs';

const { status } = spawnSync('turbo', ['run', 'build', '--output-logs=errors-only'], {
  stdio: ['ignore', 'ignore', 'inherit'],
  shell: process.platform === 'win32',
});
if (status !== 0) process.exit(status ?? 1);

// Neither the compiler nor turbo takes away what a source has left that is gone. What is not the compiler's has no declarations.
for (const file of globSync('dist/**/*.d.ts')) {
  const stem = file.slice('dist/'.length, -'.d.ts'.length);
  if (['.ts', '.js'].some((ending) => existsSync(`src/${stem}${ending}`))) continue;
  for (const ending of ['.d.ts', '.d.ts.map', '.js', '.js.map'])
    rmSync(`dist/${stem}${ending}`, { force: true });
}
