// Somebody who has Node.js and npm, and nothing of this repository.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { root } from '../root.ts';
import { withPacked } from './packed.ts';
import { serveRegistry } from './registry.ts';

/** Neither what Vitest nor what this workspace sets. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_(?:ENV|OPTIONS|PATH)$|TEST$)/.test(name)),
);

/** How a program has ended. */
export interface Ending {
  readonly code: number;
  readonly output: string;
}

const start = promisify(execFile);

/** Runs a program to its end. */
export async function run(program: string, args: readonly string[], cwd: string): Promise<Ending> {
  try {
    const { stdout, stderr } = await start(program, args, { cwd, env, maxBuffer: 1 << 26, timeout: 300_000 });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const failure = error as Error & { code: unknown; stdout?: string; stderr?: string };
    const { code, stdout = '', stderr = '', message } = failure;
    return { code: typeof code === 'number' ? code : -1, output: `${stdout}${stderr}` || message };
  }
}

/** Runs a program that must end well, and resolves with what it has printed. */
export async function mustRun(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output } = await run(program, args, cwd);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}`);
  return output;
}

/** A version of the workspace's catalog. */
export function versionOf(name: string): string {
  const [, catalog = ''] = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8').split('\ncatalog:\n');
  const lines = catalog.split('\n');
  const line = lines.find((each) => each.trimStart().replaceAll("'", '').startsWith(`${name}: `));
  if (line === undefined) throw new Error(`the catalog has no ${name}`);
  return line.slice(line.lastIndexOf(': ') + 2);
}

/** `name@version`, in the version of the catalog. */
export const pinned = (name: string): string => `${name}@${versionOf(name)}`;

/** Empty folders outside the workspace, and a registry that has the packages of the workspace as they would be published. */
export interface Elsewhere extends AsyncDisposable {
  /** Where the packages of the workspace are. */
  readonly registry: string;
  /** Makes an empty project of ES modules. */
  makeProject(name: string): string;
}

/**
 * Puts all packages, packed as they would be published, into a registry on this machine. npm finds them there by their scope, and
 * everything else where it always does.
 */
export async function serveElsewhere(): Promise<Elsewhere> {
  const places = realpathSync(mkdtempSync(join(tmpdir(), 'lloom-stranger-')));
  const registry = await withPacked(root, serveRegistry);
  return {
    registry: registry.url,
    makeProject: (name) => {
      const place = join(places, name);
      mkdirSync(place);
      writeFileSync(join(place, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
      writeFileSync(join(place, '.npmrc'), `@lloom:registry=${registry.url}/\naudit=false\nfund=false\n`);
      return place;
    },
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      rmSync(places, { recursive: true, force: true });
    },
  };
}
