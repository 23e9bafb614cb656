import { integer, oneOf, resolveConfig, type Check, type Checks } from '@lloom/core';
import { resolveLink, type Link } from './link.ts';
import type { Fidelity, Stoppable, TestNetworkConfig } from './types.ts';

/** What a network is built from, complete. */
export interface ResolvedTestNetworkConfig {
  readonly names: readonly string[];
  readonly link: Link;
  readonly seed: number;
  readonly fidelity: Fidelity;
  readonly keptTraceLines: number;
}

type Checked = Omit<Required<TestNetworkConfig<Stoppable>>, 'createNode' | 'link'>;

const maxNodes = 10_000;
const maxNameLength = 64;

const nodesCheck: Check = (value) => {
  const isCount = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxNodes;
  const isNames =
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= maxNodes &&
    value.every((name) => typeof name === 'string' && name.length >= 1 && name.length <= maxNameLength) &&
    new Set(value).size === value.length;
  return isCount || isNames
    ? undefined
    : `a number from 1 to ${maxNodes}, or a list of different names of at most ${maxNameLength} characters`;
};

const checks: Checks<Checked> = {
  nodes: nodesCheck,
  seed: integer(0, 2 ** 53 - 1),
  fidelity: oneOf('full', 'wire', 'fast'),
  keptTraceLines: integer(1, 1_000_000),
};

/**
 * A complete configuration from a partial one. `environmentSeed` is the seed when none is given.
 * @throws {ConfigError} listing every problem
 */
export function resolveTestNetworkConfig(
  input: Omit<TestNetworkConfig<Stoppable>, 'createNode'>,
  environmentSeed = '1',
): ResolvedTestNetworkConfig {
  const { link, ...rest } = input;
  const defaults = {
    nodes: 0,
    seed: Number(environmentSeed),
    fidelity: 'fast' as const,
    keptTraceLines: 1_000,
  };
  const { nodes, ...checked } = resolveConfig<Checked>('network', { checks, defaults }, rest);
  const names = typeof nodes === 'number' ? Array.from({ length: nodes }, (_, index) => `n${index}`) : nodes;
  return { ...checked, names, link: resolveLink(link) };
}
