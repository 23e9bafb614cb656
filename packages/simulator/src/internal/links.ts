import {
  bandwidthClass,
  linkPreset,
  regionLinks,
  regions,
  type HostBandwidth,
  type LinkConfig,
  type LinkEnd,
  type LinkPreset,
  type LinkRule,
  type Region,
} from '@lloom/simkit';
import type { ResolvedSimulation } from '../config.ts';
import type { Population } from './population.ts';

/** Where a node lives: where it is told, else each region in turn; nowhere unless the links are `global`. */
export function regionOf(
  { link }: Pick<ResolvedSimulation, 'link'>,
  given: Region | undefined,
  index: number,
): Region | undefined {
  return link === 'global' ? (given ?? regions[index % regions.length]) : undefined;
}

/** How hosts are connected. What was said of all links goes before a preset. */
export function linkOf({ link, fields }: ResolvedSimulation, population: Population): LinkConfig | LinkRule {
  if (typeof link !== 'string') return { ...link, ...fields };
  const rule = ruleOf(link, population);
  return (from, to) => ({ ...rule(from, to), ...fields });
}

function ruleOf(preset: LinkPreset, population: Population): LinkRule {
  if (preset !== 'global') return linkPreset(preset);
  return regionLinks({ regionOf: ({ name }) => population.node(name).region ?? regions[0] });
}

/** What each host can send and receive. */
export function bandwidthsOf(population: Population): (host: LinkEnd) => HostBandwidth {
  return ({ name }) => {
    const { bandwidth = {} } = population.node(name).options;
    return typeof bandwidth === 'string' ? bandwidthClass(bandwidth) : bandwidth;
  };
}

/** How hosts are connected, in words. */
export function linkText({ link, fields }: ResolvedSimulation): string {
  const preset = typeof link === 'string' ? [link] : [];
  const { delayMs, jitterMs, lossRatio, bandwidthBytesPerSecond } = {
    ...(typeof link === 'object' && link),
    ...fields,
  };
  const parts = [
    ...preset,
    ...(delayMs === undefined ? [] : [`${delayMs} ms`]),
    ...(jitterMs === undefined ? [] : [`up to ${jitterMs} ms more`]),
    ...(lossRatio === undefined ? [] : [`${Number((lossRatio * 100).toFixed(2))} % loss`]),
    ...(bandwidthBytesPerSecond === undefined ? [] : [`${bandwidthBytesPerSecond} bytes a second`]),
  ];
  return parts.length === 0 ? 'perfect links' : parts.join(', ');
}
