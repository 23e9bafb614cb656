import { ConfigError, text } from '@lloom/core';
import { regionLinks, regions as worldwide, type RegionMatrix } from '@lloom/simkit';

/** The most regions that a matrix may name. */
const maxRegions = 100;
const isName = text(/^[A-Za-z][\w-]{0,47}$/, '');
const isWorldwide = (name: string): boolean => (worldwide as readonly string[]).includes(name);

/** The regions that a matrix names, in its order. */
export function namesIn(matrix: RegionMatrix<string> = {}): readonly string[] {
  const rows = Object.entries(matrix).map(([from, row]) => [from, ...Object.keys(row ?? {})]);
  return [...new Set(rows.flat())];
}

/** Where nodes can live: in the regions of the world, and in those that a matrix names. */
export const knownRegions = (matrix?: RegionMatrix<string>): readonly string[] => [
  ...new Set([...worldwide, ...namesIn(matrix)]),
];

/** Where nodes live in turn that are given no region: in those of the matrix when all are its own. */
export function regionsInTurn(matrix?: RegionMatrix<string>): readonly string[] {
  const named = namesIn(matrix);
  return named.length > 0 && !named.some(isWorldwide) ? named : worldwide;
}

/** Whether nodes of one region can reach those of another. */
export function isLinked(matrix: RegionMatrix<string> = {}, [from, to]: readonly [string, string]): boolean {
  const names = (one: string, other: string): boolean =>
    Object.hasOwn(matrix, one) && Object.hasOwn(matrix[one]!, other);
  return (isWorldwide(from) && isWorldwide(to)) || names(from, to) || names(to, from);
}

/**
 * A matrix of one's own: checked, and a copy that nobody changes.
 * @throws {ConfigError} listing every problem
 */
export function resolveRegions(input: RegionMatrix<string>, link: unknown): RegionMatrix<string> {
  if (link !== undefined && link !== 'global') {
    const got = typeof link === 'string' ? `regions beside link "${link}"` : 'regions beside a link';
    throw new ConfigError([{ path: 'regions', got, wanted: 'no link beside them, or "global"' }]);
  }
  try {
    regionLinks({ regionOf: () => '', matrix: input });
  } catch (error) {
    if (!ConfigError.is(error)) throw error;
    const problems = error.data.problems.map((one) => ({
      ...one,
      path: one.path.replace(/^regions\.matrix/, 'regions'),
    }));
    throw new ConfigError(problems);
  }
  const names = namesIn(input);
  const wrong = names.find((name) => isName(name) !== undefined);
  if (wrong !== undefined || names.length > maxRegions) {
    const got = wrong === undefined ? `${names.length} regions` : `a region "${wrong.slice(0, 60)}"`;
    const wanted = `at most ${maxRegions} regions, each called by a word of letters, digits, "_" and "-", at most 48`;
    throw new ConfigError([{ path: 'regions', got, wanted }]);
  }
  const rows = Object.entries(input).flatMap(([from, row]) => {
    const given = Object.entries(row ?? {}).filter(([, one]) => one !== undefined);
    return given.length > 0 ? [[from, Object.fromEntries(given)] as const] : [];
  });
  return structuredClone(Object.fromEntries(rows));
}
