import { createReadStream, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errorText } from '@lloom/core';
import { SimulatorError } from '../errors.ts';
import { contradictions } from './contradictions.ts';
import { placeOfError } from './place.ts';
import { schemaProblems } from './problems.ts';
import type { Scenario } from './types.ts';

/** The largest file that is read, in bytes. */
const maxFileBytes = 1_048_576;

const folder = new URL('../../scenarios/', import.meta.url);

/** The names of the scenarios that come with this package, by the alphabet. */
export function scenarioNames(): readonly string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .toSorted();
}

/**
 * The scenario of that name that comes with this package, or the one in that JSON file of at most 1 MiB. A name goes before a
 * file; `./` before it means the file.
 * @throws {SimulatorError} `UNKNOWN_SCENARIO`; `INVALID_SCENARIO`, listing every problem
 */
export async function loadScenario(nameOrPath: string): Promise<Scenario> {
  const isBuiltIn = scenarioNames().includes(nameOrPath);
  const path = isBuiltIn ? fileURLToPath(new URL(`${nameOrPath}.json`, folder)) : nameOrPath;
  return checkScenario(valueOf(await read(path), nameOrPath), nameOrPath);
}

/**
 * Checks that something is a scenario: that it fits the schema, and does not contradict itself.
 * @throws {SimulatorError} `INVALID_SCENARIO`, listing every problem
 */
export function parseScenario(value: unknown): Scenario {
  const { name } = Object(value) as { readonly name?: unknown };
  return checkScenario(value, typeof name === 'string' ? name.slice(0, 64) : 'without a name');
}

function checkScenario(value: unknown, name: string): Scenario {
  const problems = schemaProblems(value);
  const scenario = value as Scenario;
  const all = problems.length > 0 ? problems : contradictions(scenario);
  if (all.length > 0) throw invalid(name, all);
  return scenario;
}

const invalid = (scenario: string, problems: readonly string[], cause?: unknown): SimulatorError =>
  new SimulatorError('INVALID_SCENARIO', { scenario, problems }, cause === undefined ? {} : { cause });

async function read(path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    // One byte more than fits tells a file that is too large, also where a size is not known, as of a pipe.
    for await (const chunk of createReadStream(path, { end: maxFileBytes })) chunks.push(chunk as Buffer);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new SimulatorError('UNKNOWN_SCENARIO', { name: path, known: scenarioNames() }, { cause });
    }
    throw invalid(path, [`the file cannot be read: ${errorText(cause)}`], cause);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length > maxFileBytes) throw invalid(path, ['the file is larger than 1 MiB']);
  return bytes;
}

function valueOf(bytes: Buffer, name: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid(name, ['the file is no text in UTF-8'], cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { line, column } = placeOfError(text);
    throw invalid(name, [`line ${line}, column ${column}: this is not JSON`], cause);
  }
}
