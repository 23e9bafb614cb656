import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';
import type { MemberConfig } from './member.ts';

const programs = inject('programs');
if ('problem' in programs) throw new Error(`There is no node to start: ${programs.problem}`);
const { folder } = programs;

/** How members start in tests: from few files, which takes a third of what the sources take. */
export const built: Pick<MemberConfig, 'script' | 'nodeArgs' | 'env'> = {
  script: pathToFileURL(join(folder, 'tools/natlab/agent.js')),
  nodeArgs: ['--enable-source-maps'],
  // What Node has compiled goes when the programs go.
  env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
};
