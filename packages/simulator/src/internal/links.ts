import {
  bandwidthClass,
  linkPreset,
  regionLinks,
  type HostBandwidth,
  type LinkConfig,
  type LinkEnd,
  type LinkRule,
  type RegionMatrix,
} from '@lloom/simkit';
import type { ResolvedSimulation } from '../config.ts';
import type { Population } from './population.ts';
import { namesIn } from '../regions.ts';

/** How hosts are connected. What was said of all links goes before a preset. */
export function linkOf(config: ResolvedSimulation, population: Population): LinkConfig | LinkRule {
  const { link, fields } = config;
  if (typeof link !== 'string') return { ...link, ...fields };
  const rule = link === 'global' ? worldwideLinks(config, population) : linkPreset(link);
  return (from, to) => ({ ...rule(from, to), ...fields });
}

function worldwideLinks({ regions = {} }: ResolvedSimulation, population: Population): LinkRule {
  return regionLinks<string>({ regionOf: ({ name }) => population.node(name).region!, matrix: regions });
}

/** What each host can send and receive. */
export function bandwidthsOf(population: Population): (host: LinkEnd) => HostBandwidth {
  return ({ name }) => {
    const { bandwidth = {} } = population.node(name).options;
    return typeof bandwidth === 'string' ? bandwidthClass(bandwidth) : bandwidth;
  };
}

/** So many regions are named. */
const shownRegions = 8;

function regionsText(matrix: RegionMatrix<string>): string {
  const names = namesIn(matrix);
  const more = names.length - shownRegions;
  const shown = names.slice(0, shownRegions).join(', ');
  return `own links of ${shown}${more > 0 ? ` and ${more} regions more` : ''}`;
}

/** How hosts are connected, in words. */
export function linkText({ link, fields, regions }: ResolvedSimulation): string {
  const preset = typeof link === 'string' ? [link] : [];
  const { delayMs, jitterMs, lossRatio, bandwidthBytesPerSecond } = {
    ...(typeof link === 'object' && link),
    ...fields,
  };
  const parts = [
    ...preset,
    ...(regions === undefined ? [] : [regionsText(regions)]),
    ...(delayMs === undefined ? [] : [`${delayMs} ms`]),
    ...(jitterMs === undefined ? [] : [`up to ${jitterMs} ms more`]),
    ...(lossRatio === undefined ? [] : [`${Number((lossRatio * 100).toFixed(2))} % loss`]),
    ...(bandwidthBytesPerSecond === undefined ? [] : [`${bandwidthBytesPerSecond} bytes a second`]),
  ];
  return parts.length === 0 ? 'perfect links' : parts.join(', ');
}
