import type { NetworkConfig, NodePorts } from '../config.ts';

/** Adds what a role wants to a configuration; what is given there already wins, field by field. Pure: it starts nothing. */
export type Preset = (config?: NetworkConfig & NodePorts) => NetworkConfig & NodePorts;

/** What is given, over what a role wants. */
export function layered(
  wants: NetworkConfig,
  given: NetworkConfig & NodePorts = {},
): NetworkConfig & NodePorts {
  return layer(wants, given) as NetworkConfig & NodePorts;
}

/** Fields that are wanted and given are joined; what is no object is kept as it is, for the node to refuse. */
function layer(wanted: unknown, given: unknown): unknown {
  if (given === undefined) return wanted;
  if (!hasFields(wanted) || !hasFields(given)) return given;
  const joined = Object.entries(given).map(([name, value]) => [name, layer(wanted[name], value)]);
  return { ...wanted, ...(Object.fromEntries(joined) as object) };
}

const hasFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
