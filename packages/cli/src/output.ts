import type { ErrorJson } from '@lloom/core';

/** A place to write to, as `process.stdout` is one. */
export interface Sink {
  readonly isTTY?: boolean;
  /** How wide a terminal is; 0 when it does not say. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** Where a command writes, and how. */
export interface OutputConfig {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** One JSON object per line on stdout instead of text for people. */
  readonly json: boolean;
  /** Nothing on stderr but errors. */
  readonly quiet: boolean;
}

const clearLine = '\u001b[K';
const defaultColumns = 80;

/**
 * The only place of the command that writes. What was asked for goes to stdout, as text or as JSON lines; everything
 * that merely accompanies it goes to stderr.
 */
export class Output {
  readonly json: boolean;
  readonly #config: OutputConfig;
  #atLineStart = true;
  #hasStatus = false;

  constructor(config: OutputConfig) {
    this.#config = config;
    this.json = config.json;
  }

  /** Whether somebody watches stderr on a terminal. */
  get isWatched(): boolean {
    return this.#config.stderr.isTTY === true;
  }

  /** How things stand at this moment, on a terminal: it replaces the one before, and is gone with whatever comes next. */
  status(line: string): void {
    const { stderr, quiet } = this.#config;
    if (quiet || !this.isWatched) return;
    stderr.write(`\r${printable(line).slice(0, (stderr.columns || defaultColumns) - 1)}${clearLine}`);
    this.#hasStatus = true;
  }

  /** Something happened: a JSON line, or the lines for people. */
  event(name: string, data: object, lines: readonly string[] = []): void {
    if (this.json || lines.length > 0) this.#clear();
    if (this.json) this.#config.stdout.write(`${JSON.stringify({ event: name, ...data })}\n`);
    else for (const line of lines) this.#config.stdout.write(`${this.#shown(line)}\n`);
  }

  /** Text for people that is not a whole line yet, such as an answer as it arrives. */
  text(text: string): void {
    if (this.json || text === '') return;
    this.#clear();
    this.#config.stdout.write(this.#shown(text));
    this.#atLineStart = text.endsWith('\n');
  }

  /** Ends a line that was begun. */
  endLine(): void {
    if (!this.#atLineStart) this.#config.stdout.write('\n');
    this.#atLineStart = true;
  }

  /**
   * What goes on, for people who watch. On their terminal it begins a line, also in the middle of a text. It stays one line: names
   * that others choose must not pass for a note of their own.
   */
  note(line: string): void {
    const { stdout, stderr, quiet } = this.#config;
    if (quiet) return;
    this.#clear();
    const isAmid = !this.#atLineStart && stdout.isTTY === true && stderr.isTTY === true;
    stderr.write(`${isAmid ? '\n' : ''}${printable(line).replaceAll(/[\n\u2028\u2029]+/g, ' ')}\n`);
  }

  /** A line of the node's log, its break included. Somebody asked for it, so it is written also when all else is quiet. */
  log(line: string): void {
    this.#clear();
    this.#config.stderr.write(line);
  }

  /** A failure, with what to do about it. */
  error(error: ErrorJson): void {
    this.#clear();
    if (this.json) {
      this.#config.stdout.write(`${JSON.stringify({ error })}\n`);
      return;
    }
    this.endLine();
    for (const line of linesOf(error)) this.#config.stderr.write(`${line}\n`);
    const { remoteMessage } = (error.data ?? {}) as { remoteMessage?: unknown };
    if (typeof remoteMessage === 'string' && remoteMessage !== '') {
      this.#config.stderr.write(`it said: ${printable(remoteMessage)}\n`);
    }
    if (error.hint !== '') this.#config.stderr.write(`hint: ${printable(error.hint)}\n`);
  }

  #clear(): void {
    if (this.#hasStatus) this.#config.stderr.write(`\r${clearLine}`);
    this.#hasStatus = false;
  }

  /** Text from elsewhere must not drive a terminal; a file gets it as it is. */
  #shown(text: string): string {
    return this.#config.stdout.isTTY === true ? printable(text) : text;
  }
}

/** An error for people: on one line, though libraries write messages of several; a list of problems has a line for each. */
function linesOf({ code, message, data }: ErrorJson): readonly string[] {
  const oneLine = (text: string): string => printable(text).replaceAll(/\s+/g, ' ');
  const { problems } = (data ?? {}) as { readonly problems?: unknown };
  const texts = Array.isArray(problems) ? problems.filter((one) => typeof one === 'string') : [];
  const list = texts.join('; ');
  if (texts.length < 2 || !message.endsWith(list)) return [`error ${code}: ${oneLine(message)}`];
  const head = oneLine(message.slice(0, -list.length)).trimEnd();
  return [`error ${code}: ${head}`, ...texts.map((text) => `  ${oneLine(text)}`)];
}

/** Ends the process once everything is written. libp2p leaves timers behind that would keep it for seconds more. */
export function exit(code: number): void {
  process.stdout.write('', () => process.exit(code));
}

/** A text without the characters that drive a terminal; line breaks and tabs stay. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are the characters in question
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '');
}
