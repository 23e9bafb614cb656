import {
  ConfigError,
  integer,
  oneOf,
  optional,
  resolveConfig,
  type Check,
  type Checks,
  type ConfigProblem,
} from '@lloom/core';
import type { LinkOf } from './internal/fabric.ts';
import { checkField, resolveLink, type Link, type LinkConfig } from './link.ts';
import {
  linkPreset,
  linkPresets,
  resolveBandwidth,
  type HostBandwidth,
  type LinkEnd,
  type LinkRule,
} from './presets.ts';
import type { Fidelity, Stoppable, TestNetworkConfig } from './types.ts';

/** What a network is built from, complete. */
export interface ResolvedTestNetworkConfig {
  readonly names: readonly string[];
  readonly linkOf: LinkOf;
  /** Throws {@link ConfigError} when the user's function returned what cannot be, and what that threw. */
  readonly bandwidthOf: (host: LinkEnd) => Required<HostBandwidth>;
  readonly seed: number;
  readonly fidelity: Fidelity;
  readonly keptTraceLines: number;
  readonly onTrace: ((line: string) => void) | undefined;
}

type Given = Omit<TestNetworkConfig<Stoppable>, 'createNode' | 'onTrace'> & {
  readonly createNode?: unknown;
  readonly onTrace?: unknown;
};
type Checked = Required<Omit<Given, 'link'>>;

/** How many hosts a network has at most. */
export const maxNodes = 10_000;
const maxNameLength = 64;
/** What a name of a host is. */
export const wantedName = `a text of 1 to ${maxNameLength} characters`;

/** Whether a host may be called that. */
export const isName = (name: unknown): name is string =>
  typeof name === 'string' && name.length >= 1 && name.length <= maxNameLength;

const nodesCheck: Check = (value) => {
  const isCount = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxNodes;
  const isNames =
    Array.isArray(value) &&
    value.length <= maxNodes &&
    value.every((name) => isName(name)) &&
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
  bandwidth: functionCheck,
  onTrace: optional(functionCheck),
};

/**
 * A complete configuration from a partial one. `environmentSeed` is the seed when none is given.
 * @throws {ConfigError} listing every problem
 */
export function resolveTestNetworkConfig(input: Given, environmentSeed?: string): ResolvedTestNetworkConfig {
  const { link, ...rest } = input ?? {};
  const defaults: Checked = {
    nodes: 0,
    createNode: undefined,
    seed: 1,
    fidelity: 'fast',
    keptTraceLines: 1_000,
    bandwidth: () => ({}),
    onTrace: undefined,
  };
  const problems: ConfigProblem[] = [];
  const network = collect(problems, () =>
    // What is not given takes its default; these two have none.
    resolveConfig<Checked>(
      'network',
      { checks, defaults },
      {
        createNode: null,
        ...rest,
        nodes: rest.nodes ?? 0,
        seed: rest.seed ?? Number(environmentSeed || '1'),
      },
    ),
  );
  const linkOf = collect(problems, () => resolveLinkRule(link));
  if (network === undefined || linkOf === undefined) throw new ConfigError(problems);
  const { nodes, seed, fidelity, keptTraceLines, bandwidth } = network;
  const bandwidthOf = (host: LinkEnd) => {
    const given = bandwidth(host);
    checkField('bandwidth', given, answered);
    return resolveBandwidth(given);
  };
  const onTrace = network.onTrace as ResolvedTestNetworkConfig['onTrace'];
  const names = typeof nodes === 'number' ? Array.from({ length: nodes }, (_, index) => `n${index}`) : nodes;
  return { names, seed, fidelity, keptTraceLines, onTrace, linkOf, bandwidthOf };
}

/**
 * How hosts reach one another, from what a user gave.
 * @throws {ConfigError} listing every problem
 */
function resolveLinkRule(given: TestNetworkConfig<Stoppable>['link']): LinkOf {
  if (typeof given === 'string') {
    checkField('network.link', given, oneOf(...linkPresets));
    return resolvedRule(linkPreset(given));
  }
  if (typeof given === 'function') return resolvedRule(given);
  const link = resolveLink(given);
  return () => link;
}

/** A rule whose links are complete. Those of presets are the same object again and again, and resolved once. */
function resolvedRule(rule: LinkRule): LinkOf {
  const resolved = new WeakMap<LinkConfig, Link>();
  return ({ name, index }, to) => {
    const given = rule({ name, index }, { name: to.name, index: to.index });
    const known = resolved.get(given);
    if (known !== undefined) return known;
    checkField('link', given, answered);
    const link = resolveLink(given);
    if (Object.isFrozen(given)) resolved.set(given, link);
    return link;
  };
}

/** What a function that forgets to answer, or answers later, returns would be taken for all defaults. */
const answered: Check = (value) =>
  value === undefined || value instanceof Promise ? 'an object, returned at once' : undefined;

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
