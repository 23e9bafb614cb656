import { errorText, explainError } from '@lloom/core';
import type { LogRecord } from '../ports.ts';

const maxMessageLength = 2_000;
const maxCauses = 4;

/** An error as a record tells it: with what caused it, and without its stack. */
export function logErrorOf(error: Error): NonNullable<LogRecord['error']> {
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown };
  const texts = new Set<string>();
  let next: unknown = error;
  for (let depth = 0; next instanceof Error && depth <= maxCauses; depth++) {
    const text = errorText(next, maxMessageLength);
    // Whoever wraps an error often repeats what it said.
    if (![...texts].some((known) => known.includes(text))) texts.add(text);
    if (next instanceof AggregateError && next.errors.length > 0) texts.add(explainError(next));
    next = next.cause;
  }
  return {
    name: errorText(name, 128),
    ...((typeof code === 'string' || typeof code === 'number') && { code: errorText(code, 128) }),
    message: errorText([...texts].join('; '), maxMessageLength),
  };
}
