import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { LocalStory } from './localStory.ts';

/** Runs a shell command where there is one network interface, `lo`, and nobody else: multicast stays there. */
const namespaceOf = (command: string, args: readonly string[] = []): [string, string[]] => {
  const flags = process.getuid?.() === 0 ? '-n' : '-rn';
  return ['unshare', [flags, 'sh', '-c', `ip link set lo up && ${command}`, 'sh', ...args]];
};

/** Whether this system lets a test make such a network; Linux alone does. */
export const canIsolate = spawnSync(...namespaceOf('true')).status === 0;

let story: Promise<LocalStory> | undefined;

/** What two nodes lived through in a network of their own; lived once for all tests of a file. */
export const localStory = (): Promise<LocalStory> => (story ??= live());

async function live(): Promise<LocalStory> {
  const script = fileURLToPath(new URL('localStory.ts', import.meta.url));
  const [program, args] = namespaceOf('exec "$@"', [process.execPath, '--conditions=@lloom/source', script]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 });
  const ended = once(child, 'close');
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (child.exitCode !== 0) throw new Error(`the nodes failed: ${errors}`);
  return JSON.parse(output) as LocalStory;
}
