import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
  type Dirent,
} from 'node:fs';
import { join, relative, sep } from 'node:path';

/** The page of all machines. */
export const indexName = 'index.html';
const figuresName = 'coverage.json';

// What is written here begins so and is known by it again: the folder may hold files of others.
const writer = 'MachineCoverage of @lloom/inspector';
const pageMark = `<!-- Written by ${writer}, which removes it when Vitest starts. -->\n`;
const figuresMark = `{\n  "writtenBy": ${JSON.stringify(writer)}`;
const longestMark = Math.max(pageMark.length, figuresMark.length);

/**
 * Looks at a folder before something is written there; gives back the files that an earlier run has written.
 * @throws {Error} when a file that is to be written would replace one of another's
 */
export function checkFolder(folder: string): string[] {
  const files = entriesOf(folder).map((entry) => ({
    path: join(folder, entry.name),
    ...look(folder, entry),
  }));
  const foreign = files.find(({ isWanted, isOwn, isEmpty }) => isWanted && !isOwn && !isEmpty);
  if (foreign !== undefined) {
    throw new Error(
      `MachineCoverage did not write ${foreign.path} and does not replace it: move it, or set another folder`,
    );
  }
  return files.filter(({ isOwn }) => isOwn).map(({ path }) => path);
}

/**
 * Removes what an earlier run has written to a folder, and nothing else.
 * @throws {Error} when a file that is to be written would replace one of another's
 */
export function clearFolder(folder: string): void {
  for (const path of checkFolder(folder)) rmSync(path, { force: true });
}

/** Writes a page that is removed when Vitest starts again. */
export function writePage(folder: string, name: string, page: string): void {
  write(folder, name, pageMark + page);
}

/** Writes the figures of all machines, which are removed when Vitest starts again. */
export function writeFigures(folder: string, figures: object): void {
  write(folder, figuresName, `${JSON.stringify({ writtenBy: writer, ...figures }, null, 2)}\n`);
}

/** A path that a terminal opens. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return (short.startsWith('..') ? path : short).replaceAll(sep, '/');
}

function write(folder: string, name: string, text: string): void {
  // Another run in the same folder may have removed it meanwhile.
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

interface Look {
  /** Whether a file of this name is going to be written. */
  readonly isWanted: boolean;
  readonly isOwn: boolean;
  /** Another run may have just begun to write it. */
  readonly isEmpty: boolean;
}

function look(folder: string, entry: Dirent): Look {
  const name = entry.name.toLowerCase();
  const isFigures = name === figuresName;
  const isWanted = isFigures || name === indexName;
  // A link is none of ours, whatever it leads to.
  if (!entry.isFile() || !(isFigures || name.endsWith('.html'))) {
    return { isWanted, isOwn: false, isEmpty: false };
  }
  const beginning = beginningOf(join(folder, entry.name));
  const isOwn = beginning.startsWith(isFigures ? figuresMark : pageMark);
  return { isWanted, isOwn, isEmpty: beginning === '' };
}

function beginningOf(file: string): string {
  const bytes = Buffer.alloc(longestMark);
  try {
    const descriptor = openSync(file, 'r');
    try {
      return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, longestMark, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
