/**
 * Bounds as they were set, or as they are by default.
 * @throws {RangeError} when one is no whole number from 0 on: nothing would be bounded by it
 */
export function boundsOf<Name extends string>(
  config: { readonly [Each in NoInfer<Name>]?: number },
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const bounds: Record<Name, number> = { ...defaults };
  for (const name of Object.keys(defaults) as Name[]) {
    const bound = config[name] ?? defaults[name];
    if (!Number.isSafeInteger(bound) || bound < 0) {
      throw new RangeError(`${name} must be a whole number from 0 on, not ${String(bound)}`);
    }
    bounds[name] = bound;
  }
  return bounds;
}
