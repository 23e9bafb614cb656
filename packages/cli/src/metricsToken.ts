import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { CliError } from './errors.ts';

/**
 * The token in a file, which is made for its owner only when it is missing.
 * @throws {CliError} `FILE_FAILED` when it cannot be used, and when others can read it
 */
export async function obtainToken(file: string): Promise<string> {
  const failed = (reason: string, cause?: unknown): CliError =>
    new CliError('FILE_FAILED', { file, reason }, { cause });
  try {
    return await make(file);
  } catch (error) {
    const { code = 'unknown' } = error as { code?: string };
    if (code !== 'EEXIST') throw failed(`the system says ${code}`, error);
  }
  let text: string;
  let mode: number;
  try {
    [text, { mode }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
  } catch (cause) {
    throw failed(`the system says ${(cause as { code?: string }).code ?? 'unknown'}`, cause);
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw failed('other users can read it, so make it private with chmod 600');
  const token = text.split(/\r?\n/, 1)[0] ?? '';
  // Never shown, for most of it may be right.
  if (!/^[\x21-\x7e]{16,256}$/.test(token))
    throw failed('its first line is no token of 16 to 256 printable characters without blanks');
  return token;
}

async function make(file: string): Promise<string> {
  const token = randomBytes(32).toString('hex');
  await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
  return token;
}
