import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';

/** The most problems that are told of one scenario. */
const maxProblems = 50;

/** As many as the longest list of a scenario may have. */
const maxEntries = 10_000;

/** What the schema says where a problem is. */
interface PlaceSchema {
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly properties?: object;
  readonly oneOf?: readonly { readonly const?: unknown; readonly properties?: object }[];
}

const readSchema = (): object =>
  JSON.parse(readFileSync(new URL('../../schemas/scenario.v1.json', import.meta.url), 'utf8')) as object;

let validate: ReturnType<typeof compile> | undefined;
const compile = () =>
  new Ajv2020({ allErrors: true, verbose: true, discriminator: true, strictTypes: false }).compile(
    readSchema(),
  );

/** What is wrong with a value by the schema of scenarios: a line for each place, in the order of the places. */
export function schemaProblems(value: unknown): readonly string[] {
  validate ??= compile();
  if (validate(shortened(value))) return [];
  const errors = withoutUnions(validate.errors ?? []);
  const lines = [...new Set(errors.map((error) => lineOf(error, value)))];
  const more = lines.length - maxProblems;
  return more <= 0 ? lines : [...lines.slice(0, maxProblems), `and ${more} problems more`];
}

/** With lists no longer than tells that they are too long: what is wrong with each entry would take minutes to say. */
function shortened(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([field, one]): [string, unknown] => [
    field,
    Array.isArray(one) && one.length > maxEntries ? one.slice(0, maxEntries + 1) : one,
  ]);
  return Object.fromEntries(entries);
}

/** A value as a line shows it. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return value.toLocaleString('en-US', { maximumFractionDigits: 10 });
  let text: string;
  try {
    text = JSON.stringify(value) ?? typeof value;
  } catch {
    // Too deep, in a circle, or of a kind that JSON does not know.
    text = `a value of type ${typeof value}`;
  }
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** A list of values, as texts are quoted. */
export const list = (values: readonly unknown[]): string => values.map(show).join(', ');

// Where one of several shapes is wanted, each says why it is not that one. What is told is why it is not the one whose type
// it has; when it has none of the types, what is wanted there.
function withoutUnions(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const unions = new Set(
    errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf').map(placeOf),
  );
  const isShape = (error: ErrorObject): boolean =>
    unions.has(placeOf(error)) && ['type', 'enum', 'const'].includes(error.keyword);
  const isUnion = ({ keyword }: ErrorObject): boolean => keyword === 'anyOf' || keyword === 'oneOf';
  const reasons = errors.filter((error) => !isShape(error) && !isUnion(error));
  // Every place at or above a reason. Looked up, since a file may hold very many problems.
  const explained = new Set(reasons.flatMap((reason) => placesAbove(placeOf(reason))));
  const isExplained = (union: ErrorObject): boolean => explained.has(placeOf(union));
  return errors.filter((error) => !isShape(error) && !(isUnion(error) && isExplained(error)));
}

const placeOf = ({ instancePath }: ErrorObject): string => instancePath;

/** A place, and those that it lies in. */
function placesAbove(place: string): readonly string[] {
  const steps = place.split('/');
  return steps.map((_, depth) => steps.slice(0, depth + 1).join('/'));
}

function lineOf(error: ErrorObject, root: unknown): string {
  const { keyword, params, data } = error;
  const schema = (error.parentSchema ?? {}) as PlaceSchema;
  const place = placeInWords(error.instancePath);
  if (keyword === 'required') return `${place}: got no ${String(params['missingProperty'])}`;
  if (keyword === 'discriminator') {
    const tag = String(params['tag']);
    const known = (schema.oneOf ?? []).map(
      (one) => (one.properties as Record<string, PlaceSchema>)[tag]?.const,
    );
    return `${inside(place, tag)}: got ${show((data as Record<string, unknown>)[tag])}, want one of ${list(known)}`;
  }
  if (keyword === 'additionalProperties') {
    const known = Object.keys(schema.properties ?? {}).join(', ');
    return `${inside(place, String(params['additionalProperty']))}: got an unknown field, want one of ${known}`;
  }
  const got = error.instancePath === '' ? typeOf(root) : show(data);
  return `${place}: got ${got}, want ${wantedOf(keyword, schema)}`;
}

const typeOf = (value: unknown): string =>
  Array.isArray(value)
    ? 'a list'
    : typeof value === 'object'
      ? show(value)
      : `a value of type ${typeof value}`;

function wantedOf(keyword: string, schema: PlaceSchema): string {
  const constants = schema.oneOf?.map((one) => one.const).filter((value) => value !== undefined) ?? [];
  if (constants.length > 0) return `one of ${list(constants)}`;
  if (schema.enum !== undefined) return `one of ${list(schema.enum)}`;
  if (schema.const !== undefined) return show(schema.const);
  if (keyword === 'anyOf' || keyword === 'pattern') return lowerFirst(schema.description ?? 'something else');
  const { type = 'something else' } = schema;
  if (type === 'integer' || type === 'number') return range(type, schema);
  if (type === 'array') return `a list of ${bounds(schema.minItems, schema.maxItems)} entries`;
  if (type === 'string') return `a text of ${bounds(schema.minLength, schema.maxLength)} characters`;
  return type === 'boolean' ? 'true or false' : 'an object';
}

function range(type: string, { minimum, maximum }: PlaceSchema): string {
  const what = type === 'integer' ? 'a whole number' : 'a number';
  if (minimum === undefined) return what;
  return maximum === undefined
    ? `${what} from ${show(minimum)}`
    : `${what} from ${show(minimum)} to ${show(maximum)}`;
}

const bounds = (min = 0, max = Infinity): string =>
  min === max ? show(min) : max === Infinity ? `at least ${show(min)}` : `${show(min)} to ${show(max)}`;

const lowerFirst = (text: string): string =>
  (text.charAt(0).toLowerCase() + text.slice(1)).replace(/\.$/, '');

/** `/nodes/2/count` as `nodes[2].count`. */
function placeInWords(pointer: string): string {
  const steps = pointer.split('/').slice(1);
  const unescaped = steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return unescaped.reduce((place, step) => inside(place, step), '') || 'scenario';
}

function inside(place: string, step: string): string {
  if (/^\d+$/.test(step)) return `${place}[${step}]`;
  const name = step.length > 60 ? `${step.slice(0, 59)}…` : step;
  return place === '' || place === 'scenario' ? name : `${place}.${name}`;
}
