import type { LogRecord, LogSink } from '../ports.ts';

/** Takes one line, with the break at its end. */
export type WriteLine = (line: string) => unknown;

/** What would end a line, move the cursor, or turn the direction of reading. */
// eslint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const escaped = (text: string): string =>
  text.replaceAll(control, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * Writes records as JSON, one a line: the fields of {@link LogRecord}.
 *
 * @param write takes a line, its break included
 * @example
 * ```ts
 * const log = createLog({ level: 'info', sink: jsonLines((line) => file.write(line)) });
 * ```
 */
export const jsonLines =
  (write: WriteLine): LogSink =>
  (record) =>
    void write(`${escaped(JSON.stringify(record))}\n`);

/**
 * Writes records for people: time, level, component, what happened, and what stands beside it as `name=value`. Whatever a peer
 * sent, a record is one line.
 *
 * @param write takes a line, its break included
 */
export const textLines =
  (write: WriteLine): LogSink =>
  (record) =>
    void write(`${escaped(lineOf(record))}\n`);

const levelWidth = 5;
const nodeLength = 8;

function lineOf({
  at,
  level,
  component,
  node,
  message,
  peerId,
  requestId,
  error,
  fields,
}: LogRecord): string {
  const parts = [new Date(at).toISOString(), level.padEnd(levelWidth), component];
  if (node !== undefined) parts.push(`[${node.slice(-nodeLength)}]`);
  parts.push(message);
  const wrong = error && { error: error.message, code: error.code };
  const beside = { peerId, requestId, ...wrong, ...fields };
  for (const [name, value] of Object.entries(beside))
    if (value !== undefined && value !== message) parts.push(`${name}=${shown(value)}`);
  return parts.join(' ');
}

const plain = /^[^\s"=]+$/;
const shown = (value: unknown): string =>
  typeof value === 'string' && plain.test(value) ? value : JSON.stringify(value);
