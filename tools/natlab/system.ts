// The programs that make and wire namespaces.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** Far beyond what any of them takes. */
const limitMs = 20_000;

/**
 * Runs a program to its end.
 *
 * @param input what it reads
 * @returns what it printed
 * @throws what it complained of
 */
export async function run(program: string, args: readonly string[], input = ''): Promise<string> {
  const running = execute(program, [...args], { timeout: limitMs });
  running.child.stdin!.on('error', () => {
    // It has ended without reading, and says why.
  });
  running.child.stdin!.end(input);
  const { stdout } = await running;
  return stdout;
}

/** Runs lines of `ip` within a namespace, or without one. */
export const ip = (lines: readonly string[], namespace?: string): Promise<string> =>
  run('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'], `${lines.join('\n')}\n`);

/** Begins a command within a namespace. */
export const within = (namespace: string): string[] => ['ip', 'netns', 'exec', namespace];

/** Runs a program within a namespace. */
export function runWithin(
  namespace: string,
  command: readonly [string, ...string[]],
  input?: string,
): Promise<string> {
  const [program, ...args] = [...within(namespace), ...command];
  return run(program!, args, input);
}

let can: boolean | undefined;

/** What is printed where {@link canRun} says no. */
export const skipped = 'skipped: nat namespaces (needs root, iproute2, nftables)';

/** Whether this machine lets us make networks of our own: as root on Linux, with `ip` and `nft`. Tried once. */
export function canRun(): boolean {
  can ??= process.platform === 'linux' && process.getuid?.() === 0 && tryOut();
  return can;
}

function tryOut(): boolean {
  const name = `natlab-${process.pid}-try`;
  const works = (...[program, ...args]: readonly [string, ...string[]]): boolean =>
    spawnSync(program, args, { timeout: limitMs }).status === 0;
  const rules =
    'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade';
  const isMade = works('ip', 'netns', 'add', name);
  try {
    return (
      isMade &&
      works(...(within(name) as [string]), 'nft', rules) &&
      works('ip', '-n', name, 'link', 'add', 'name', 'switch', 'type', 'bridge')
    );
  } finally {
    if (isMade) works('ip', 'netns', 'del', name);
  }
}
