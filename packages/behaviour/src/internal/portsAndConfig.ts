import { ConfigError, resolveConfig, type Check, type Checks, type ConfigProblem } from '@lloom/core';
import type { NetworkConfig, NodePorts, ResolvedNetworkConfig } from '../config.ts';

const callable =
  (wanted: string): Check =>
  (value) =>
    typeof value === 'function' ? undefined : wanted;

/** An object, or a function with fields, whose fields of these names are of that type. */
const objectWith =
  (
    names: readonly string[],
    { of: isRight, wanted }: { of: (value: unknown) => boolean; wanted: string },
  ): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return wanted;
    const fields = value as Readonly<Record<string, unknown>>;
    return names.every((name) => isRight(fields[name])) ? undefined : wanted;
  };

const isCallable = (value: unknown): boolean => typeof value === 'function';

const withMethods = (what: string, ...names: readonly string[]): Check =>
  objectWith(names, { of: isCallable, wanted: `${what}, with the methods ${names.join(', ')}` });

/** An object whose fields of these names are functions, where they are given. */
const withOptional =
  (what: string, ...names: readonly string[]): Check =>
  (value) => {
    const wanted = `${what}: an object with ${names.join(', ')}, functions each`;
    if (typeof value !== 'object' || value === null) return wanted;
    const isFine = Object.entries(value).every(
      ([name, field]) => names.includes(name) && (field === undefined || isCallable(field)),
    );
    return isFine ? undefined : wanted;
  };

const lists = ['transports', 'connectionEncrypters', 'streamMuxers'];
const observer = withMethods('a function, or an observer', 'next');

const checks: Checks<Required<NodePorts>> = {
  inspect: (value) => (isCallable(value) ? undefined : observer(value)),
  clock: withMethods('a clock', 'now', 'elapsed', 'setTimeout', 'clearTimeout'),
  random: withMethods('a source of chance', 'bytes', 'float'),
  stack: objectWith(lists, { of: Array.isArray, wanted: `an object with the lists ${lists.join(', ')}` }),
  datastore: withMethods('an open datastore', 'get', 'put', 'has', 'delete', 'query', 'batch'),
  localDiscovery: callable('a function that makes what sights peers'),
  services: withOptional("what stands in for libp2p's services", 'identify', 'dht'),
  registry: withMethods(
    'a Registry of prom-client',
    ...['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics'],
  ),
  tracer: withMethods('a tracer such as openTelemetry(…)', 'startSpan', 'apart'),
  log: callable('a function that takes records'),
};

/**
 * Tells what a node is given from how it is set up. A port that is `undefined` is not given.
 *
 * @param resolve completes the configuration
 * @throws {ConfigError} listing every problem of both
 */
export function portsAndConfig(
  given: NetworkConfig & NodePorts,
  resolve: (network: NetworkConfig, ports: NodePorts) => ResolvedNetworkConfig,
): { readonly ports: NodePorts; readonly config: ResolvedNetworkConfig } {
  const { inspect, clock, random, stack, datastore, localDiscovery, ...others } = given;
  const { services, registry, tracer, log, ...network } = others;
  const all = { inspect, clock, random, stack, datastore, localDiscovery, services, registry, tracer, log };
  const entries = Object.entries(all).filter(([, port]) => port !== undefined);
  const ports: NodePorts = Object.fromEntries(entries);
  // What is right stays as it is: a configuration is copied and frozen.
  const wrong = entries.filter(([name, port]) => checks[name as keyof NodePorts](port) !== undefined);
  const problems = problemsOf(() =>
    resolveConfig<object>('network', { checks, defaults: {} }, Object.fromEntries(wrong)),
  );
  let config: ResolvedNetworkConfig | undefined;
  problems.push(...problemsOf(() => (config = resolve(network, ports))));
  if (config === undefined || problems.length > 0) throw new ConfigError(problems);
  return { ports, config };
}

function problemsOf(act: () => unknown): ConfigProblem[] {
  try {
    act();
    return [];
  } catch (error) {
    if (ConfigError.is(error)) return [...error.data.problems];
    throw error;
  }
}
