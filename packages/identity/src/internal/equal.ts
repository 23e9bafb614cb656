/**
 * Whether two plain values say the same. A field that is `undefined` counts as absent. Walks with a list instead of
 * recursion: how deep a value goes is up to whoever sent it.
 */
export function equalValues(left: unknown, right: unknown): boolean {
  const pending: unknown[] = [left, right];
  while (pending.length > 0) {
    const [a, b] = [pending.pop(), pending.pop()];
    if (a === b) continue;
    if (!isPlain(a) || !isPlain(b) || Array.isArray(a) !== Array.isArray(b)) return false;
    let present = 0;
    for (const key of Object.keys(a)) {
      const value = a[key];
      if (value === undefined) continue;
      if (!Object.hasOwn(b, key)) return false;
      present += 1;
      const other = b[key];
      if (value !== other) pending.push(value, other);
    }
    if (present !== countPresent(b)) return false;
  }
  return true;
}

/** An array or a plain object: of others, such as a `Map`, the keys do not tell what they hold. */
function isPlain(value: unknown): value is Record<string, unknown> {
  return Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]';
}

function countPresent(value: Record<string, unknown>): number {
  let present = 0;
  for (const key of Object.keys(value)) if (value[key] !== undefined) present += 1;
  return present;
}
