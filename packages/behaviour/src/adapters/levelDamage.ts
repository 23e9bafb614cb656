/** What the database says of files that are not as they were written; for all else nothing but damage is to blame. */
const damagePatterns = [
  // A file that is named in the index is gone, or shorter than it says.
  /IO error: .*(?:No such file or directory|Is a directory|Invalid argument|cannot find the (?:file|path)|parameter is incorrect)/,
  /does not match existing comparator/,
];

/** Whether files are damaged: not whether they are locked, may not be read, or the disk is full. */
export function isDamage(error: unknown): boolean {
  const { code, message } = causeOf(error) as { code?: unknown; message?: unknown };
  if (code === 'LEVEL_CORRUPTION') return true;
  return damagePatterns.some((pattern) => pattern.test(String(message)));
}

/** What the database says itself, beneath what is said of it. */
export function causeOf(error: unknown): Error {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? cause : error instanceof Error ? error : new Error(String(error));
}
