#!/usr/bin/env node
// Loads no package before it knows that this Node can run it: older ones fail with a message that helps nobody.
import { isTooOld } from './doctor/nodeVersion.ts';
import { keepCompiled } from './keepCompiled.ts';
import { tellOldNode } from './oldNode.ts';

if (isTooOld(process.versions.node)) {
  tellOldNode(process);
  process.exitCode = 1;
} else {
  keepCompiled(process.env);
  await prepare(process.argv[2]);
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
}

/** What a command needs before libp2p is loaded, which options are read with. */
async function prepare(command: string | undefined): Promise<void> {
  if (command !== 'simulate' || process.env['NODE_ENV'] === 'production') return;
  // Saves a good part of a simulation's time, and does nothing else: where Node has no such hooks, it takes longer.
  await import('@lloom/simkit/remember-keys').catch(() => undefined);
}
