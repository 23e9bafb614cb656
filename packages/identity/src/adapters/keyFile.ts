import { randomBytes } from 'node:crypto';
import { constants, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { IdentityError } from '../errors.ts';

// Far above any key file; what is larger is something else.
const maxFileBytes = 64 * 1024;

/** What is in a key file, and who may touch it. */
export interface KeyFile {
  readonly text: string;
  /** Permission bits; 0 on Windows, which has none. */
  readonly mode: number;
}

/**
 * Reads a key file. Mode and content are of the same file, also when the path is changed in between.
 * @throws {IdentityError} `FILE_NOT_FOUND`, `FILE_CORRUPT`, `FILE_FAILED`
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  try {
    // Not waiting: opening a pipe would otherwise last until somebody writes to it.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = await handle.stat();
      if (stats.isDirectory()) throw corrupt(path, 'it is a folder');
      if (!stats.isFile()) throw corrupt(path, 'it is not a regular file');
      if (stats.size === 0) throw corrupt(path, 'it is empty');
      if (stats.size > maxFileBytes)
        throw corrupt(path, `it has ${stats.size} bytes, a key file has a few hundred`);
      const mode = process.platform === 'win32' ? 0 : stats.mode & 0o777;
      return { text: await handle.readFile('utf8'), mode };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (IdentityError.is(error)) throw error;
    if (codeOf(error) === 'ENOENT') throw new IdentityError('FILE_NOT_FOUND', { path }, { cause: error });
    if (codeOf(error) === 'EISDIR') throw corrupt(path, 'it is a folder');
    throw failed(path, error);
  }
}

/**
 * Writes a key file that only its owner may read. It is there as a whole or not at all, whenever the machine stops.
 * @throws {IdentityError} `FILE_EXISTS`, `FILE_FAILED`
 */
export async function writeKeyFile(path: string, text: string, overwrite: boolean): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeAndSync(temporary, text);
    // A link, unlike a rename, never replaces a file that has appeared in the meantime.
    await (overwrite ? rename(temporary, path) : link(temporary, path));
    await syncFolder(dirname(path));
  } catch (error) {
    if (!overwrite && codeOf(error) === 'EEXIST') throw new IdentityError('FILE_EXISTS', { path });
    throw failed(path, error);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/**
 * @throws {IdentityError} `FILE_CORRUPT`, always
 */
export function corrupt(path: string, reason: string): IdentityError<'FILE_CORRUPT'> {
  return new IdentityError('FILE_CORRUPT', { path, reason });
}

async function writeAndSync(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the new name last. Not every system can; the content is safe without. */
async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // The system cannot.
  }
}

function failed(path: string, cause: unknown): IdentityError<'FILE_FAILED'> {
  return new IdentityError(
    'FILE_FAILED',
    { path, systemCode: codeOf(cause) ?? 'an unknown error' },
    { cause },
  );
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
