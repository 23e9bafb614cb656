// Puts the programs that tests start into few files, as the command is shipped. They are built anew before every run, so that what runs
// is what the sources say.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'rolldown';
import type { TestProject } from 'vitest/node';
import { writeBundle } from '../build/bundle.ts';
import { root } from '../root.ts';

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- Vitest's own
  interface ProvidedContext {
    /** The folder of the project's programs, where each has the path of its source and ends with `.js`; or why there is none. */
    programs: { readonly folder: string } | { readonly problem: string };
  }
}

const folder = join(root, 'node_modules', '.cache', 'programs');
const programsOf: Readonly<Record<string, readonly string[]>> = {
  cli: [
    'packages/cli/src/bin',
    'packages/cli/src/demo/main',
    'packages/cli/src/demo/client',
    'packages/cli/src/demo/application',
  ],
  tools: ['tools/natlab/agent'],
};
/** Packages that look for their binary beside themselves. */
const native = new Set(['classic-level']);
/** Longer than any run takes. */
const keptMs = 3_600_000;

/** Tests that start no program run whatever is wrong with one. */
export async function setup(project: TestProject): Promise<void> {
  const provide = async (): Promise<void> => {
    const built = build(programsOf[project.name]!).then(
      (kept) => ({ folder: kept }),
      (error: unknown) => ({ problem: String(error) }),
    );
    project.provide('programs', await built);
  };
  await provide();
  project.onTestsRerun(provide);
}

/** Resolves with the folder of the programs. Its name stands for what they say: a run that goes on keeps its own. */
async function build(programs: readonly string[]): Promise<string> {
  const entries = new Map(programs.map((program) => [program, `${join(root, program)}.ts`]));
  const sources = new Set(entries.values());
  await mkdir(folder, { recursive: true });
  const made = await mkdtemp(join(folder, 'new-'));
  const output = await writeBundle({
    entries,
    folder: made,
    // Programs find each other where they are put.
    placeOf: (source) => (sources.has(source) ? undefined : source),
    plugins: [keepAddons],
  });
  const hash = createHash('sha256');
  for (const { fileName, code } of output) hash.update(fileName).update(code);
  const kept = join(folder, hash.digest('hex').slice(0, 16));
  // Another run may have made the same.
  await rename(made, kept).catch(() => rm(made, { recursive: true }));
  const now = new Date();
  await utimes(kept, now, now);
  await removeOld();
  return kept;
}

const keepAddons: Plugin = {
  name: 'keep-addons',
  async resolveId(source, importer, { kind }) {
    if (!native.has(source)) return null;
    const { id } = (await this.resolve(source, importer, { kind, skipSelf: true }))!;
    return { id: kind === 'require-call' ? id : pathToFileURL(id).href, external: 'absolute' };
  },
};

async function removeOld(): Promise<void> {
  const old = Date.now() - keptMs;
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  // Another run may remove the same.
  await Promise.allSettled(
    paths.map(async (path) => {
      if ((await stat(path)).mtimeMs < old) await rm(path, { recursive: true });
    }),
  );
}
