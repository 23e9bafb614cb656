// Puts programs into few files, for those who install the command and for tests alike: most of what a start from 1,500 files computes
// is to find and read them.
import { dirname, isAbsolute, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown, type OutputChunk, type Plugin } from 'rolldown';
import { root } from '../root.ts';

/** What is put into few files, and how. */
export interface BundleConfig {
  /** Paths below `folder`, without their ending, and the sources of what is there. */
  readonly entries: ReadonlyMap<string, string>;
  readonly folder: string;
  /** Whether a module is loaded from where it is installed, by the name it is asked for. */
  readonly isExternal?: (name: string) => boolean;
  /** Whether stacks can be led to the sources. @default true */
  readonly sourcemap?: boolean;
  /**
   * Where a source takes itself to be, which the paths to its data begin at: a path below `folder`, an absolute one, or `undefined` for
   * where it comes to be.
   */
  readonly placeOf: (source: string) => string | undefined;
  readonly plugins?: readonly Plugin[];
}

/** Whether a module is asked for by the name of its package. */
export const isBare = (name: string): boolean => !/^[./]|^[A-Za-z]:[\\/]/.test(name);

/** Writes few files. @returns what was written */
export async function writeBundle(config: BundleConfig): Promise<readonly OutputChunk[]> {
  const { entries, folder, isExternal = () => false, sourcemap = true, placeOf, plugins = [] } = config;
  await using bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries),
    platform: 'node',
    tsconfig: false,
    external: (name) => isExternal(name),
    resolve: { conditionNames: ['@lloom/source', 'node', 'module-sync'] },
    plugins: [...plugins, keepPlaces(placeOf)],
    logLevel: 'silent',
  });
  const { output } = await bundle.write({
    dir: folder,
    format: 'esm',
    sourcemap,
    sourcemapExcludeSources: true,
    // Those for people are in the sources. Marks for bundlers stay.
    comments: { jsdoc: false, legal: false, annotation: true },
    chunkFileNames: 'chunks/[name].js',
  });
  return output.filter((file) => file.type === 'chunk');
}

const mark = '__placeOf';
const marked = /__placeOf\("(url|filename|dirname)", ?"([^"]*)"\)/g;

/** Each source goes on to know where it is. What is below the folder is found from whichever file it comes to be in. */
const keepPlaces = (placeOf: BundleConfig['placeOf']): Plugin => ({
  name: 'keep-places',
  transform(code, id) {
    if (!code.includes('import.meta.') || !isAbsolute(id)) return null;
    const place = placeOf(id);
    if (place === undefined) return null;
    const placed = code.replaceAll(/\bimport\.meta\.(url|filename|dirname)\b/g, (_, name: string) =>
      isAbsolute(place)
        ? JSON.stringify(absolute(name, place))
        : `${mark}(${JSON.stringify(name)}, ${JSON.stringify(place)})`,
    );
    return { code: placed, map: null };
  },
  renderChunk(code, { fileName }) {
    if (!code.includes(mark)) return null;
    const placed = code.replaceAll(marked, (_, name: string, place: string) => {
      const path = relative(dirname(fileName), name === 'dirname' ? dirname(place) : place);
      const url = `new URL(${JSON.stringify(path.replaceAll('\\', '/'))}, import.meta.url)`;
      return name === 'url' ? `${url}.href` : `process.getBuiltinModule("node:url").fileURLToPath(${url})`;
    });
    return { code: placed, map: null };
  },
});

function absolute(name: string, path: string): string {
  if (name === 'url') return pathToFileURL(path).href;
  return name === 'dirname' ? dirname(path) : path;
}
