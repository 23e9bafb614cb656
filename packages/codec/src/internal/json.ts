import { limits } from '../limits.ts';
import type { JsonObject } from '../types.ts';
import { describe, FieldProblem, isObject, mapped, text, type Field } from './fields.ts';

/** How many values may still come, of how many. */
interface Room {
  left: number;
  readonly most: number;
}

/** A JSON object as text, bounded in length and depth; an empty text is none. */
export const json: Field<JsonObject | undefined> = jsonWithin(() => roomFor(limits.extraBytes));

/** The same of which there are several in a message, bounded together in how many values they have. */
export class BoundedJson implements Field<JsonObject | undefined> {
  readonly #json: Field<JsonObject | undefined>;
  readonly #maxValues: number;
  #room: Room;

  constructor(maxValues: number) {
    this.#maxValues = maxValues;
    this.#room = roomFor(maxValues);
    this.#json = jsonWithin(() => this.#room);
  }

  toWire(value: JsonObject | undefined): unknown {
    return this.#json.toWire(value);
  }

  fromWire(wire: unknown): JsonObject | undefined {
    return this.#json.fromWire(wire);
  }

  /** The field in which all of them are. */
  within<V>(field: Field<V>): Field<V> {
    const begin = (): void => void (this.#room = roomFor(this.#maxValues));
    return {
      toWire: (value) => {
        begin();
        return field.toWire(value);
      },
      fromWire: (wire) => {
        begin();
        return field.fromWire(wire);
      },
    };
  }
}

function roomFor(most: number): Room {
  return { left: most, most };
}

function jsonWithin(room: () => Room): Field<JsonObject | undefined> {
  return mapped(text(limits.extraBytes), {
    to: (value) => {
      if (value === undefined) return '';
      checkRoot(value, room());
      return JSON.stringify(value);
    },
    from: (source) => {
      if (source === '') return undefined;
      const value = parse(source);
      checkRoot(value, room());
      return value;
    },
  });
}

function parse(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    throw new FieldProblem('text that is not JSON', 'a JSON object');
  }
}

/** What has more values than there is room for cannot fit, and shared ones cannot multiply without end. */
function checkRoot(value: unknown, room: Room): asserts value is JsonObject {
  if (!isObject(value)) throw new FieldProblem(describe(value), 'a JSON object');
  const check = (entry: unknown, depth: number): void => {
    if (room.left-- <= 0) throw new FieldProblem('more values', `at most ${room.most} values`);
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
