#!/usr/bin/env node
// Loads no package before it knows that this Node can run it: older ones fail with a message that helps nobody.
import { isTooOld } from './doctor/nodeVersion.ts';
import { tellOldNode } from './oldNode.ts';

if (isTooOld(process.versions.node)) {
  tellOldNode(process);
  process.exitCode = 1;
} else {
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
}
