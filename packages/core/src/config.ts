import { ConfigError, type ConfigProblem } from './errors.ts';
import { cutText, showValue } from './internal/text.ts';

/** Says what would be accepted when a value is not; `undefined` when it is. */
export type Check = (value: unknown) => string | undefined;

/** A whole number within bounds, both included. */
export const integer =
  (min: number, max: number = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `a whole number from ${min} to ${max}`;

/** `true` or `false`. */
export const boolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');

/** One of a few texts. */
export const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string) ? undefined : `one of ${values.map((v) => `"${v}"`).join(', ')}`;

/** A text that a pattern accepts; `wanted` describes it. */
export const text =
  (pattern: RegExp, wanted: string): Check =>
  (value) =>
    // Unlike `test`, `search` does not remember where a global pattern stopped.
    typeof value === 'string' && value.search(pattern) >= 0 ? undefined : wanted;

/** A list of at most `maxLength` entries that each pass. */
export const listOf =
  (check: Check, maxLength: number): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length > maxLength) return `a list of at most ${maxLength} entries`;
    for (const entry of value) {
      const wanted = check(entry);
      if (wanted !== undefined) return `a list in which each entry is ${wanted}`;
    }
    return undefined;
  };

/** Passes when the value is absent or passes the other check. */
export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);

/** One check for each field of a configuration. */
export type Checks<C> = { readonly [K in keyof C]-?: Check };

/**
 * A complete, frozen configuration from a partial one. Absent fields take their default; unknown fields are
 * problems, so that a misspelt name is told rather than ignored. Lists and plain objects are copied and frozen as
 * well: what the caller changes later changes nothing here.
 *
 * @param scope prefix of every path in the error, such as `rpc`
 * @throws {ConfigError} `INVALID_CONFIG`, listing every problem at once
 *
 * @example
 * ```ts
 * const rules = { checks: { timeoutMs: integer(1) }, defaults: { timeoutMs: 120_000 } };
 * resolveConfig('rpc', rules, { timeoutMs: 5_000 }); // { timeoutMs: 5000 }
 * ```
 */
export function resolveConfig<C extends object>(
  scope: string,
  rules: { readonly checks: Checks<C>; readonly defaults: C },
  input: { readonly [K in keyof C]?: C[K] | undefined } = {},
): Readonly<C> {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new ConfigError([{ path: scope, got: showValue(input), wanted: 'an object' }]);
  const problems: ConfigProblem[] = [];
  const resolved = { ...rules.defaults } as Record<string, unknown>;
  const checks = rules.checks as Record<string, Check>;
  for (const [key, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    const wanted = check === undefined ? `one of ${Object.keys(checks).join(', ')}` : check(value);
    const got = check === undefined ? 'an unknown field' : showValue(value);
    if (wanted === undefined) resolved[key] = value;
    else problems.push({ path: `${scope}.${cutText(key, 80)}`, got, wanted });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return frozen(resolved) as Readonly<C>;
}

/** A frozen copy of plain data; anything else, such as an address object, stays as it is. */
function frozen(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(frozen));
  if (!isPlain(value)) return value;
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, frozen(entry)])));
}

/** Whether a value is an object of no class. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
