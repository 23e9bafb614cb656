import { constants } from 'node:fs';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Identity } from '@lloom/identity';
import { describeError } from '../errors.ts';
import { loadIdentity, type IdentitySource } from '../identityFile.ts';
import type { Session } from '../session.ts';
import { fail, ok, skip, warn, type Judgement } from './finding.ts';

/** What became of the identity file. */
export type IdentityFacts =
  | { readonly kind: 'none' }
  | { readonly kind: 'read'; readonly identity: Identity; readonly file: string }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Reads the identity file, which refuses one that others can read. */
export async function readIdentity(source: IdentitySource, session: Session): Promise<IdentityFacts> {
  const { identity: file } = source;
  if (file === undefined) return { kind: 'none' };
  try {
    const identity = await loadIdentity(file, { source, session });
    return { kind: 'read', identity, file };
  } catch (error) {
    if (session.interruption.reason !== undefined) throw error;
    return { kind: 'failed', error };
  }
}

/** Whether a node keeps its name, and its key to itself. */
export function judgeIdentity(facts: IdentityFacts): Judgement {
  if (facts.kind === 'none')
    return skip(
      'no key was given: a node has another name at each start',
      'Add --identity FILE to check yours.',
    );
  if (facts.kind === 'failed') {
    const { message, hint } = describeError(facts.error);
    return fail(oneLine(message), oneLine(hint));
  }
  return ok(`"${facts.file}" is ${facts.identity.peerId}, and nobody else can read it`);
}

/** What is known of the folder of `--data`. */
export interface DataFacts {
  readonly folder: string;
  readonly state: 'absent' | 'folder' | 'other';
  /** Whether it can be written to; where it is absent, whether it can be made. */
  readonly isWritable: boolean;
  /** The process that has it open; `undefined` when none has, or it cannot be told. */
  readonly heldBy: number | undefined;
  /** What is free there, in bytes; `undefined` when it cannot be told. */
  readonly freeBytes: number | undefined;
  /** How large its file system is, in bytes: 0 for one that keeps no files, such as `/proc`, or does not tell. */
  readonly sizeBytes: number | undefined;
}

/** Looks at the folder of `--data`. Nothing in it is opened or changed, since a node may be running on it. */
export async function readData(path: string | undefined): Promise<DataFacts | undefined> {
  if (path === undefined) return undefined;
  const folder = resolve(path);
  const found = await stat(folder).catch(() => undefined);
  const state = found === undefined ? 'absent' : found.isDirectory() ? 'folder' : 'other';
  const place = state === 'absent' ? await nearestFolder(folder) : folder;
  const isWritable = await access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  const disk = await statfs(place).catch(() => undefined);
  return {
    folder,
    state,
    isWritable,
    heldBy: state === 'folder' ? await holderOf(join(folder, 'LOCK')) : undefined,
    freeBytes: disk && disk.bavail * disk.bsize,
    sizeBytes: disk && disk.blocks * disk.bsize,
  };
}

async function nearestFolder(path: string): Promise<string> {
  const parent = dirname(path);
  const isThere = parent === path || (await stat(parent).catch(() => undefined)) !== undefined;
  return isThere ? parent : nearestFolder(parent);
}

/** Who holds the lock of a LevelDB folder. Linux says so without touching the lock, which would disturb whoever holds it. */
async function holderOf(lock: string): Promise<number | undefined> {
  const [locks, file] = await Promise.all([
    readFile('/proc/locks', 'utf8').catch(() => ''),
    stat(lock).catch(() => undefined),
  ]);
  return file === undefined ? undefined : lockHolder(locks, file.ino);
}

/** The process that holds a lock on the file with that inode, by the text of `/proc/locks`. */
export function lockHolder(locks: string, inode: number): number | undefined {
  for (const line of locks.split('\n')) {
    const { pid, held } =
      /(?:POSIX|FLOCK|OFDLCK)\s.*\sWRITE\s+(?<pid>-?\d+)\s+\S+:(?<held>\d+)\s/.exec(line)?.groups ?? {};
    if (held !== undefined && Number(held) === inode) return Number(pid);
  }
  return undefined;
}

/** Below this a node that runs for long may fill the disk. */
const leastFreeBytes = 200_000_000;

/** Whether a node can keep there what shall survive a restart. */
export function judgeData(facts: DataFacts | undefined): Judgement {
  if (facts === undefined)
    return skip(
      'no folder was given: bans, known peers and used nonces are forgotten at each stop',
      'Add --data FOLDER to check yours.',
    );
  const { folder, state, isWritable, heldBy, freeBytes, sizeBytes } = facts;
  if (state === 'other') return fail(`"${folder}" is no folder`, 'Give --data another path.');
  if (heldBy !== undefined)
    return ok(`"${folder}" is in use by process ${heldBy}, which must be a node that runs: it is left alone`);
  if (!isWritable) {
    const problem = state === 'absent' ? 'is not there and cannot be made' : 'cannot be written to';
    return fail(
      `"${folder}" ${problem} by this user`,
      'Change its owner or permissions, or give --data another path.',
    );
  }
  if (sizeBytes === 0)
    return warn(
      `"${folder}" is in a file system that keeps no files, or does not say how much room it has`,
      'Unless you know that it keeps files, give --data another path.',
    );
  if (freeBytes !== undefined && freeBytes < leastFreeBytes)
    return warn(
      `"${folder}" has ${Math.round(freeBytes / 1_000_000)} MB left on its disk`,
      'Make room, or give --data another path.',
    );
  return ok(
    state === 'absent' ? `"${folder}" is not there yet and can be made` : `"${folder}" can be written to`,
  );
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');
