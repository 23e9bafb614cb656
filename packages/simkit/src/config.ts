import {
  ConfigError,
  integer,
  oneOf,
  resolveConfig,
  type Check,
  type Checks,
  type ConfigProblem,
} from '@lloom/core';
import { resolveLink, type Link, type LinkConfig } from './link.ts';
import type { Fidelity, Stoppable, TestNetworkConfig } from './types.ts';

/** What a network is built from, complete. */
export interface ResolvedTestNetworkConfig {
  readonly names: readonly string[];
  readonly link: Link;
  readonly seed: number;
  readonly fidelity: Fidelity;
  readonly keptTraceLines: number;
}

type Given = Omit<TestNetworkConfig<Stoppable>, 'createNode'> & { readonly createNode?: unknown };
type Checked = Required<Omit<Given, 'link' | 'bandwidth'>>;

const maxNodes = 10_000;
const maxNameLength = 64;

const nodesCheck: Check = (value) => {
  const isCount = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxNodes;
  const isNames =
    Array.isArray(value) &&
    value.length <= maxNodes &&
    value.every((name) => typeof name === 'string' && name.length >= 1 && name.length <= maxNameLength) &&
    new Set(value).size === value.length;
  return isCount || isNames
    ? undefined
    : `a number from 0 to ${maxNodes}, or a list of different names of at most ${maxNameLength} characters`;
};

const functionCheck: Check = (value) => (typeof value === 'function' ? undefined : 'a function');

const checks: Checks<Checked> = {
  createNode: functionCheck,
  nodes: nodesCheck,
  seed: integer(0, 2 ** 53 - 1),
  fidelity: oneOf('full', 'wire', 'fast'),
  keptTraceLines: integer(1, 1_000_000),
};

/**
 * A complete configuration from a partial one. `environmentSeed` is the seed when none is given.
 * @throws {ConfigError} listing every problem
 */
export function resolveTestNetworkConfig(input: Given, environmentSeed?: string): ResolvedTestNetworkConfig {
  const { link, bandwidth: _, ...rest } = input;
  const defaults: Checked = {
    nodes: 0,
    createNode: undefined,
    seed: Number(environmentSeed || '1'),
    fidelity: 'fast',
    keptTraceLines: 1_000,
  };
  const problems: ConfigProblem[] = [];
  const network = collect(problems, () =>
    // What is not given takes its default; these two have none.
    resolveConfig<Checked>(
      'network',
      { checks, defaults },
      { createNode: null, ...rest, nodes: rest.nodes ?? 0 },
    ),
  );
  const resolvedLink = collect(problems, () => resolveLink(link as LinkConfig | undefined));
  if (network === undefined || resolvedLink === undefined) throw new ConfigError(problems);
  const { nodes, seed, fidelity, keptTraceLines } = network;
  const names = typeof nodes === 'number' ? Array.from({ length: nodes }, (_, index) => `n${index}`) : nodes;
  return { names, seed, fidelity, keptTraceLines, link: resolvedLink };
}

/** What `resolve` returns; its problems go to the list. */
function collect<T>(problems: ConfigProblem[], resolve: () => T): T | undefined {
  try {
    return resolve();
  } catch (error) {
    if (!ConfigError.is(error)) throw error;
    problems.push(...error.data.problems);
    return undefined;
  }
}
