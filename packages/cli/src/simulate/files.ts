import { closeSync, openSync, writeSync } from 'node:fs';
import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorText } from '@lloom/core';
import { CliError } from '../errors.ts';

const chunkLength = 65_536;

const fileFailed = (file: string, error: unknown): CliError<'FILE_FAILED'> =>
  CliError.is(error, 'FILE_FAILED')
    ? error
    : new CliError('FILE_FAILED', { file, reason: errorText(error) }, { cause: error });

/**
 * Looks whether a file can be written, and leaves everything as it is: whoever waits for a long run must not learn only
 * then that its result has no place.
 * @throws {CliError} `FILE_FAILED`
 */
export async function requireWritable(file: string): Promise<void> {
  try {
    const found = await stat(file).catch(() => undefined);
    if (found?.isDirectory()) throw new CliError('FILE_FAILED', { file, reason: 'it is a folder' });
    await access(found === undefined ? dirname(file) : file, constants.W_OK);
  } catch (error) {
    throw fileFailed(file, error);
  }
}

/**
 * Writes a file, or replaces it.
 * @throws {CliError} `FILE_FAILED`
 */
export async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw fileFailed(file, error);
  }
}

/** A file that takes a line after the other while virtual time runs. */
export class TraceFile {
  readonly #file: string;
  readonly #handle: number;
  #waiting: string[] = [];
  #length = 0;
  #problem: unknown;

  /** Makes the file, or empties it. */
  constructor(file: string) {
    this.#file = file;
    try {
      this.#handle = openSync(file, 'w');
    } catch (error) {
      throw fileFailed(file, error);
    }
  }

  /** Takes a line. Never throws: whoever calls is a part of what is simulated. */
  add(line: string): void {
    this.#waiting.push(line, '\n');
    this.#length += line.length + 1;
    if (this.#length >= chunkLength) this.#flush();
  }

  /**
   * Writes what is left.
   * @throws {CliError} `FILE_FAILED`, when any of it could not be written
   */
  close(): void {
    this.#flush();
    closeSync(this.#handle);
    if (this.#problem !== undefined) throw fileFailed(this.#file, this.#problem);
  }

  #flush(): void {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#length = 0;
    if (this.#problem !== undefined) return;
    try {
      writeSync(this.#handle, text);
    } catch (error) {
      this.#problem = error;
    }
  }
}
