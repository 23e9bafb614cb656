import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CliError } from './errors.ts';
import type { Interruption } from './interruption.ts';

/** Where a passphrase may come from, first to last. */
export interface PassphraseSource {
  /** A file whose first line it is. */
  readonly file?: string | undefined;
  readonly interruption: Interruption;
}

/** What a passphrase is for. */
export interface PassphrasePurpose {
  /** The identity file that it opens. */
  readonly identityFile: string;
  /** Ask twice: a mistyped passphrase would lock the key away. */
  readonly confirm: boolean;
}

/**
 * A passphrase from a file, from LLOOM_PASSPHRASE, or from the person at the terminal, without showing it.
 * @throws {CliError} `PASSPHRASE_NEEDED`, `PASSPHRASE_MISMATCH` or `FILE_FAILED`
 */
export async function readPassphrase(source: PassphraseSource, purpose: PassphrasePurpose): Promise<string> {
  const { identityFile, confirm } = purpose;
  const given = source.file === undefined ? process.env['LLOOM_PASSPHRASE'] : await firstLine(source.file);
  if (given !== undefined && given !== '') return given;
  if (source.file !== undefined || !process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CliError('PASSPHRASE_NEEDED', { file: identityFile });
  }
  const { interruption } = source;
  const typed = await ask(`Passphrase for ${identityFile}: `, interruption);
  interruption.signal.throwIfAborted();
  if (typed === '') throw new CliError('PASSPHRASE_NEEDED', { file: identityFile });
  if (confirm && typed !== (await ask('Again: ', interruption))) {
    throw new CliError('PASSPHRASE_MISMATCH', { file: identityFile });
  }
  return typed;
}

async function firstLine(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).split(/\r?\n/, 1)[0] ?? '';
  } catch (cause) {
    const { code = 'unknown' } = cause as { code?: string };
    throw new CliError('FILE_FAILED', { file, reason: `the system says ${code}` }, { cause });
  }
}

/** Asks on the terminal; what is typed goes nowhere but back to the caller. Nothing, when the input is ended. */
async function ask(question: string, interruption: Interruption): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  // In this mode Ctrl-C and Ctrl-D reach the terminal object instead of the process.
  terminal.once('SIGINT', () => interruption.stop('SIGINT'));
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const typed = terminal.question('', { signal: interruption.signal });
  process.stderr.write(question);
  try {
    return await Promise.race([typed.catch(() => ''), ended]);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
