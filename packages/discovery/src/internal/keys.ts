/** The keys that are not among others. */
export function without(keys: readonly string[], others: readonly string[]): string[] {
  const excluded = new Set(others);
  return keys.filter((key) => !excluded.has(key));
}

/** The keys of both lists, each once. */
export function union(keys: readonly string[], others: readonly string[]): string[] {
  return [...new Set([...keys, ...others])];
}
