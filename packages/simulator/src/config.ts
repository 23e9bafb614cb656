import {
  boolean,
  ConfigError,
  integer,
  listOf,
  oneOf,
  optional,
  resolveConfig,
  text,
  type Check,
  type ConfigProblem,
} from '@lloom/core';
import type { Inspector, NetworkConfig, PricingInfo } from '@lloom/behaviour';
import {
  regions as worldwideRegions,
  resolveLink,
  type BandwidthClass,
  type HostBandwidth,
  type LinkConfig,
  type LinkPreset,
  type RegionMatrix,
} from '@lloom/simkit';
import type {
  ChurnConfig,
  Conduct,
  ExecutorOptions,
  GossipLoadConfig,
  LoadConfig,
  NodeInspector,
  NodeRole,
  NodeSet,
  RelayOptions,
  SimulationConfig,
  SimulationFidelity,
  Topology,
  ValidatorOptions,
} from './types.ts';
import { resolveRegions } from './regions.ts';

/** A {@link SimulationConfig} that is complete. */
export interface ResolvedSimulation {
  readonly numNodes: number;
  /** What was said of all links beside `link`. */
  readonly fields: LinkConfig;
  readonly link: LinkPreset | LinkConfig | undefined;
  /** Links of one's own between regions. */
  readonly regions: RegionMatrix<string> | undefined;
  readonly seed: number;
  readonly fidelity: SimulationFidelity;
  readonly topology: Topology;
  readonly node: NetworkConfig;
  readonly sampleIntervalMs: number;
  readonly keptTraceLines: number;
  readonly onTrace: ((line: string) => void) | undefined;
  readonly inspect: Inspector | NodeInspector | undefined;
}

/** Nodes that are alike, complete. What a role has no use for is there all the same. */
export interface ResolvedOptions {
  readonly group: string;
  readonly region: string | undefined;
  readonly bandwidth: BandwidthClass | HostBandwidth | undefined;
  readonly config: NetworkConfig;
  readonly models: readonly string[];
  readonly capacity: number;
  readonly announcedCapacity: number | undefined;
  readonly queue: number | undefined;
  readonly pricing: PricingInfo;
  readonly thinkMs: number;
  readonly tokenMs: number;
  readonly conduct: Conduct;
  readonly stake: string;
}

/** A {@link LoadConfig} that is complete. */
export interface ResolvedLoad extends Required<Omit<LoadConfig, 'name' | 'from' | 'maxPrice' | 'prefer'>> {
  readonly name: string | undefined;
  readonly from: NodeSet | undefined;
  readonly maxPrice: string | undefined;
  readonly prefer: LoadConfig['prefer'];
}

/** A {@link GossipLoadConfig} that is complete. */
export interface ResolvedGossipLoad extends Required<Omit<GossipLoadConfig, 'from'>> {
  readonly from: NodeSet | undefined;
}

/** A {@link ChurnConfig} that is complete. */
export interface ResolvedChurn extends Required<Omit<ChurnConfig, 'nodes' | 'isSilent'>> {
  readonly nodes: NodeSet | undefined;
  readonly isSilent: boolean | undefined;
}

const maxNodes = 10_000;
const dayMs = 86_400_000;

const number =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'number' && value >= min && value <= max ? undefined : `a number from ${min} to ${max}`;
const either =
  (...checks: readonly Check[]): Check =>
  (value) => {
    const wanted = checks.map((check) => check(value));
    return wanted.includes(undefined) ? undefined : wanted.join(', or ');
  };
const duration = number(0, dayMs);
const moment = number(0, Number.MAX_SAFE_INTEGER);
const object: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object';
const aFunction: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
const inspector: Check = (value) =>
  typeof (value as Partial<NodeInspector> | null)?.inspectAs === 'function'
    ? undefined
    : 'something with `inspectAs`, as a recorder';
const word = text(/^[A-Za-z][\w-]{0,47}$/, 'a word of letters, digits, "_" and "-", at most 48');
const wei = text(/^(?:0|[1-9]\d{0,77})$/, 'wei as a decimal text without leading zeros');
const name = text(/^.{1,64}$/, 'a name of at most 64 characters');
const names = either(name, listOf(name, maxNodes));
const pricing: Check = (value) => {
  const { inboundPrice, outboundPrice } = (value ?? {}) as Partial<PricingInfo>;
  const fits = wei(inboundPrice) === undefined && wei(outboundPrice) === undefined;
  return fits ? undefined : '{ inboundPrice, outboundPrice } in wei per token, as decimal texts';
};
const model = text(/^.{1,256}$/, 'a name of at most 256 characters');
const models: Check = (value) =>
  Array.isArray(value) && value.length === 0 ? 'at least one model' : listOf(model, 1_024)(value);
const edge: Check = (value) =>
  Array.isArray(value) && value.length === 2 ? listOf(name, 2)(value) : 'a pair of names';

const simulationChecks = {
  numNodes: integer(1, maxNodes),
  networkDelayMs: duration,
  packetLoss: number(0, 0.9),
  jitterMs: duration,
  link: either(oneOf('lan', 'continental', 'global', 'mobile'), object),
  regions: object,
  seed: integer(0),
  fidelity: oneOf('full', 'wire', 'fast', 'model'),
  topology: either(oneOf('bootstrap', 'random', 'ring'), listOf(edge, 100 * maxNodes)),
  node: object,
  sampleIntervalMs: integer(10, 3_600_000),
  keptTraceLines: integer(1, 1_000_000),
  onTrace: aFunction,
  inspect: either(aFunction, inspector),
};

/**
 * A complete configuration. `environmentSeed` is the seed when none is given.
 * @throws {ConfigError} listing every problem
 */
export function resolveSimulation(input: SimulationConfig, environmentSeed?: string): ResolvedSimulation {
  const defaults = {
    seed: 1,
    fidelity: 'fast',
    topology: 'bootstrap',
    node: {},
    sampleIntervalMs: 1_000,
    keptTraceLines: 1_000,
  };
  const problems: ConfigProblem[] = [];
  const resolved = collect(problems, 'simulation', () => {
    // What is not given takes its default; this has none.
    const numNodes = input?.numNodes ?? (null as unknown as number);
    const seed = input?.seed ?? Number(environmentSeed || '1');
    return complete<SimulationConfig>(
      'simulation',
      { checks: simulationChecks, defaults },
      { ...input, numNodes, seed },
    );
  });
  const { link } = input ?? {};
  if (object(link) === undefined) collect(problems, 'simulation', () => resolveLink(link as LinkConfig));
  const regions =
    object(input?.regions) === undefined
      ? collect(problems, 'simulation', () => resolveRegions(input.regions!, link ?? undefined))
      : undefined;
  if (resolved === undefined || problems.length > 0) throw new ConfigError(problems);
  const { networkDelayMs, packetLoss, jitterMs, ...rest } = resolved;
  const fields = {
    ...(networkDelayMs !== undefined && { delayMs: networkDelayMs }),
    ...(packetLoss !== undefined && { lossRatio: packetLoss }),
    ...(jitterMs !== undefined && { jitterMs }),
  };
  const own = regions === undefined ? {} : { regions, link: 'global' as const };
  return { ...(rest as Omit<ResolvedSimulation, 'fields'>), ...own, fields };
}

/** What `resolve` returns; its problems go to the list. */
function collect<T>(problems: ConfigProblem[], scope: string, resolve: () => T): T | undefined {
  try {
    return resolve();
  } catch (error) {
    if (!ConfigError.is(error)) throw error;
    const inScope = (path: string): string => (path.startsWith(scope) ? path : `${scope}.${path}`);
    problems.push(...error.data.problems.map((problem) => ({ ...problem, path: inScope(problem.path) })));
    return undefined;
  }
}

const lines: Check = (value) => {
  const { uploadBytesPerSecond = 1, downloadBytesPerSecond = 1, ...rest } = (value ?? {}) as HostBandwidth;
  const fits = [uploadBytesPerSecond, downloadBytesPerSecond].every(
    (each) => typeof each === 'number' && each >= 1,
  );
  return fits && object(value) === undefined && Object.keys(rest).length === 0
    ? undefined
    : '{ uploadBytesPerSecond?, downloadBytesPerSecond? }, each at least 1';
};
const nodeChecks = {
  group: word,
  bandwidth: either(oneOf('server', 'fibre', 'cable', 'mobile'), lines),
  config: object,
};
const optionChecks = {
  executor: {
    ...nodeChecks,
    models,
    capacity: integer(1, maxNodes),
    announcedCapacity: integer(1, 100_000),
    queue: integer(0, 100_000),
    pricing,
    thinkMs: duration,
    tokenMs: duration,
    conduct: oneOf('serves', 'refuses', 'hangs', 'fails'),
  },
  client: nodeChecks,
  validator: { ...nodeChecks, stake: wei },
  relay: nodeChecks,
} satisfies Record<NodeRole, Record<string, Check>>;

/** What nodes are called by default, by role. */
const letters: Readonly<Record<NodeRole, string>> = {
  executor: 'e',
  client: 'c',
  validator: 'v',
  relay: 'r',
};
const optionDefaults = {
  config: {},
  models: ['demo-small'],
  capacity: 4,
  pricing: { inboundPrice: '1', outboundPrice: '2' },
  thinkMs: 200,
  tokenMs: 20,
  conduct: 'serves',
  stake: '1',
};

/**
 * What nodes of a role are, complete. `known` are the regions that there are.
 * @throws {ConfigError} listing every problem
 */
export function resolveOptions(
  role: NodeRole,
  input: ExecutorOptions & ValidatorOptions & RelayOptions = {},
  known: readonly string[] = worldwideRegions,
): ResolvedOptions {
  const checks = { ...optionChecks[role], region: oneOf(...known) };
  const rules = { checks, defaults: { ...optionDefaults, group: letters[role] } };
  return complete<object>(role, rules, input) as unknown as ResolvedOptions;
}

const untilStopped = { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };

/**
 * Questions, completely described.
 * @throws {ConfigError} listing every problem
 */
export function resolveLoad(input: LoadConfig = {}): ResolvedLoad {
  const checks = {
    name: word,
    from: names,
    model,
    requestsPerSecond: number(0.001, 10_000),
    fromMs: moment,
    untilMs: moment,
    answerTokens: integer(1, 10_000),
    maxPrice: wei,
    prefer: oneOf('price', 'latency'),
    timeoutMs: integer(1, dayMs),
    maxAttempts: integer(1, 100),
  };
  const defaults = {
    ...untilStopped,
    model: 'demo-small',
    requestsPerSecond: 1,
    answerTokens: 20,
    timeoutMs: 30_000,
    maxAttempts: 3,
  };
  return complete<LoadConfig>('load', { checks, defaults }, input) as ResolvedLoad;
}

/**
 * Status messages, completely described.
 * @throws {ConfigError} listing every problem
 */
export function resolveGossipLoad(input: GossipLoadConfig = {}): ResolvedGossipLoad {
  const checks = { from: names, intervalMs: integer(1, 3_600_000), fromMs: moment, untilMs: moment };
  const defaults = { ...untilStopped, intervalMs: 1_000 };
  return complete<GossipLoadConfig>('gossipLoad', { checks, defaults }, input) as ResolvedGossipLoad;
}

/**
 * Coming and going, completely described.
 * @throws {ConfigError} listing every problem
 */
export function resolveChurn(input: ChurnConfig = {}): ResolvedChurn {
  const meanMs = number(1, 30 * dayMs);
  const checks = {
    nodes: names,
    meanUpMs: meanMs,
    meanDownMs: meanMs,
    isSilent: boolean,
    fromMs: moment,
    untilMs: moment,
  };
  const defaults = { ...untilStopped, meanUpMs: 60_000, meanDownMs: 10_000 };
  return complete<ChurnConfig>('churn', { checks, defaults }, input) as ResolvedChurn;
}

/**
 * Prices, checked.
 * @throws {ConfigError}
 */
export function resolvePricing(input: PricingInfo): PricingInfo {
  const rules = { checks: { pricing }, defaults: {} };
  return complete<{ pricing?: PricingInfo }>('setPricing', rules, { pricing: input ?? null }).pricing!;
}

/** What `resolveConfig` makes of it; fields that have no default are absent unless they are given. */
function complete<C extends object>(
  scope: string,
  rules: { readonly checks: Readonly<Record<string, Check>>; readonly defaults: object },
  input: C,
): Readonly<Record<string, unknown>> & C {
  const all = Object.fromEntries(Object.entries(rules.checks).map(([key, check]) => [key, optional(check)]));
  return resolveConfig<Record<string, unknown>>(
    scope,
    { checks: all, defaults: { ...rules.defaults } },
    input as Record<string, unknown>,
  ) as Readonly<Record<string, unknown>> & C;
}
