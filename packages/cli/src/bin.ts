#!/usr/bin/env node
// Loads nothing before it knows that this Node can run it: older ones fail with a message that helps nobody.
const wanted = 22;

export {};

if (Number(process.versions.node.split('.')[0]) < wanted) {
  const message = `Cannot run on Node ${process.versions.node}: ${wanted} is the least`;
  const hint = 'Install Node 24, or start it inside the repository with: npm run lloom -- ARGUMENTS';
  if (process.argv.includes('--json')) {
    const error = { name: 'CliError', code: 'NODE_TOO_OLD', message, data: {}, retryable: false, hint };
    process.stdout.write(`${JSON.stringify({ error })}\n`);
  } else {
    process.stderr.write(`error NODE_TOO_OLD: ${message}\nhint: ${hint}\n`);
  }
  process.exitCode = 1;
} else {
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
}
