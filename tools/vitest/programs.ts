// Puts the programs that tests start into few files: most of what a start from 1,500 sources computes is to find and read them. They
// are built anew before every run, so that what runs is what the sources say.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown, type Plugin } from 'rolldown';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- Vitest's own
  interface ProvidedContext {
    /** The folder of the project's programs, where each has the path of its source and ends with `.js`; or why there is none. */
    programs: { readonly folder: string } | { readonly problem: string };
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'node_modules', '.cache', 'programs');
const programsOf: Readonly<Record<string, readonly string[]>> = {
  cli: ['packages/cli/src/bin', 'packages/cli/src/demo/main', 'packages/cli/src/demo/client'],
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
  const sources = new Map(programs.map((program) => [program, `${join(root, program)}.ts`]));
  await using bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(sources),
    platform: 'node',
    resolve: { conditionNames: ['@lloom/source', 'node', 'module-sync'] },
    // Every module runs, as it does from sources.
    treeshake: false,
    plugins: [keepPlaces(new Set(sources.values()))],
    logLevel: 'silent',
  });
  await mkdir(folder, { recursive: true });
  const made = await mkdtemp(join(folder, 'new-'));
  const { output } = await bundle.write({
    dir: made,
    format: 'esm',
    sourcemap: true,
    sourcemapExcludeSources: true,
    chunkFileNames: 'chunks/[name].js',
  });
  const hash = createHash('sha256');
  for (const file of output) hash.update(file.fileName).update(file.type === 'chunk' ? file.code : '');
  const kept = join(folder, hash.digest('hex').slice(0, 16));
  // Another run may have made the same.
  await rename(made, kept).catch(() => rm(made, { recursive: true }));
  const now = new Date();
  await utimes(kept, now, now);
  await removeOld();
  return kept;
}

/** Each source goes on to know where it is, but for those of programs: they find each other where they are put. */
const keepPlaces = (programs: ReadonlySet<string>): Plugin => ({
  name: 'keep-places',
  async resolveId(source, importer, { kind }) {
    if (!native.has(source)) return null;
    const { id } = (await this.resolve(source, importer, { kind, skipSelf: true }))!;
    return { id: kind === 'require-call' ? id : pathToFileURL(id).href, external: 'absolute' };
  },
  transform(code, id) {
    if (!code.includes('import.meta.') || !isAbsolute(id) || programs.has(id)) return null;
    const places: Record<string, string> = {
      url: pathToFileURL(id).href,
      filename: id,
      dirname: dirname(id),
    };
    const placed = code.replaceAll(/\bimport\.meta\.(url|filename|dirname)\b/g, (_, name: string) =>
      JSON.stringify(places[name]),
    );
    return { code: placed, map: null };
  },
});

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
