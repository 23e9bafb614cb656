import { limits } from '../limits.ts';
import type { JsonObject } from '../types.ts';
import { describe, FieldProblem, isObject, mapped, text, type Field } from './fields.ts';

/** A JSON object as text, bounded in length and depth; an empty text is none. */
export const json: Field<JsonObject | undefined> = mapped(text(limits.extraBytes), {
  to: (value) => {
    if (value === undefined) return '';
    checkRoot(value);
    return JSON.stringify(value);
  },
  from: (source) => {
    if (source === '') return undefined;
    const value = parse(source);
    checkRoot(value);
    return value;
  },
});

function parse(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    throw new FieldProblem('text that is not JSON', 'a JSON object');
  }
}

function checkRoot(value: unknown): asserts value is JsonObject {
  if (!isObject(value)) throw new FieldProblem(describe(value), 'a JSON object');
  let left = limits.extraBytes;
  const check = (entry: unknown, depth: number): void => {
    // Each value takes a byte of text: more of them cannot fit, and shared ones cannot multiply without end.
    if (left-- === 0) throw new FieldProblem('more values', `text of at most ${limits.extraBytes} bytes`);
    if (typeof entry === 'string') checkText(entry);
    else if (typeof entry === 'object' && entry !== null) checkMembers(entry, depth);
    else if (entry !== null && typeof entry !== 'boolean' && !Number.isFinite(entry)) {
      throw new FieldProblem(describe(entry), 'a JSON value');
    }
  };
  const checkMembers = (entry: object, depth: number): void => {
    if (depth > limits.extraDepth)
      throw new FieldProblem('deeper nesting', `at most ${limits.extraDepth} levels`);
    if (Array.isArray(entry)) {
      // By index: holes count as well.
      for (let index = 0; index < entry.length; index++) check(entry[index], depth + 1);
      return;
    }
    if (!isPlain(entry)) throw new FieldProblem('an object of a class', 'a JSON value');
    for (const [key, member] of Object.entries(entry)) {
      checkText(key);
      if (member !== undefined) check(member, depth + 1);
    }
  };
  check(value, 1);
}

function checkText(value: string): void {
  if (!value.isWellFormed()) throw new FieldProblem(describe(value), 'text in whole characters');
}

/** Whether JSON gives the object back as it is: it is of no class, such as a date or a map. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
