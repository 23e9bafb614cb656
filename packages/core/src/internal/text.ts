/** A text of at most `maxLength` characters, none of them half: cutting may leave one, and the wire refuses it. */
export function cutText(text: string, maxLength: number): string {
  return (text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text).toWellFormed();
}

/** A value as a message shows it, in at most 80 characters. Never throws. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cutText(value, 80));
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null)
    return typeof value === 'bigint' ? `${value}n` : String(value);
  try {
    return cutText(JSON.stringify(value) ?? 'an object', 80);
  } catch {
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
  }
}
