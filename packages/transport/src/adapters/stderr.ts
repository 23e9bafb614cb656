import { textLines } from '../internal/logLines.ts';
import type { LogSink } from '../ports.ts';

/** Lines of text on stderr, each written at once. */
export const stderrLines = (): LogSink => textLines((line) => process.stderr.write(line));
