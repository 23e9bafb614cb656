import { ConfigError, oneOf, resolveConfig, type Check, type ConfigProblem } from '@lloom/core';
import { between, checkField, resolveLink, type LinkConfig } from './link.ts';

/** Parts of the world, as the link preset `global` knows them. */
export const regions = [
  'us-east',
  'us-west',
  'south-america',
  'europe',
  'africa',
  'india',
  'east-asia',
  'oceania',
] as const;

/** One of {@link regions}. */
export type Region = (typeof regions)[number];

/**
 * How hosts are connected:
 *
 * - `lan`: one building;
 * - `continental`: cities of one continent, over wires;
 * - `global`: {@link Region}s all over the planet, each pair with its own delay;
 * - `mobile`: phones.
 */
export type LinkPreset = 'lan' | 'continental' | 'global' | 'mobile';

/** What a host can send and receive, shared by all its connections. */
export interface HostBandwidth {
  /** At least 1. @default Infinity */
  readonly uploadBytesPerSecond?: number;
  /** At least 1. @default Infinity */
  readonly downloadBytesPerSecond?: number;
}

/** Usual connections of hosts: `server`, `fibre` of a home, `cable`, `mobile`. */
export type BandwidthClass = 'server' | 'fibre' | 'cable' | 'mobile';

/** Who is at an end of a link. */
export interface LinkEnd {
  readonly name: string;
  readonly index: number;
}

/** Says how a host reaches another one. Asked once for each direction, when the first byte goes that way. */
export type LinkRule = (from: LinkEnd, to: LinkEnd) => LinkConfig;

/**
 * How hosts of one region reach those of another: a link for each pair, or its delay alone, one way, in ms. What is
 * given for one direction holds for the other as well, unless that is given too.
 */
export type RegionMatrix<R extends string = Region> = Readonly<
  Partial<Record<R, Readonly<Partial<Record<R, LinkConfig | number>>>>>
>;

/** Where hosts are, and how regions are connected. */
export interface RegionConfig<R extends string = Region> {
  /** The region of a host. Asked for both ends of each link. */
  readonly regionOf: (host: LinkEnd) => R;
  /**
   * How the regions are connected. Pairs of {@link regions} that it leaves out are as in `global`; of regions of your
   * own it must name every pair between which something is sent, and each with itself.
   * @default {}
   */
  readonly matrix?: RegionMatrix<R>;
}

/**
 * One way, in ms, from a region to itself and to those behind it in {@link regions}: rounded to 5 ms,
 * of the order of what public measurements of round trips between data centres give, halved. Within a region: two of its
 * cities.
 */
const delaysMs: readonly (readonly number[])[] = [
  [5, 30, 55, 40, 115, 100, 75, 100],
  [10, 90, 70, 140, 110, 55, 70],
  [10, 95, 170, 150, 130, 155],
  [10, 80, 65, 110, 125],
  [15, 75, 145, 150],
  [10, 65, 75],
  [20, 55],
  [10],
];

/** What a way over many networks adds: queues, and one loss in a thousand, a few at a time when a queue is full. */
const overland = { lossRatio: 0.001, lossBurstSegments: 2 };

const links = {
  // Round trips of half a millisecond and less in a building; a full queue of a switch is all there is of jitter.
  lan: resolveLink({ delayMs: 0.2, jitterMs: 0.1 }),
  // Round trips of 20 to 40 ms between cities of one continent: of that order, rounded.
  continental: resolveLink({ delayMs: 15, jitterMs: 3, lossRatio: 0.0005, lossBurstSegments: 2 }),
  // Round trips of 30 to 50 ms from a phone to the nearest server, in order of size, so twice as much between two phones;
  // radio loses in bursts and delays unevenly.
  mobile: resolveLink({ delayMs: 40, jitterMs: 20, lossRatio: 0.01, lossBurstSegments: 3 }),
};

/** Megabits a second, as connections are sold, in bytes a second. */
const megabits = (count: number): number => (count * 1_000_000) / 8;

const bandwidths: Readonly<Record<BandwidthClass, Required<HostBandwidth>>> = {
  // A network card of a rented machine: 1 Gbit/s both ways.
  server: { uploadBytesPerSecond: megabits(1_000), downloadBytesPerSecond: megabits(1_000) },
  // A usual contract over fibre to the home: 300 Mbit/s both ways.
  fibre: { uploadBytesPerSecond: megabits(300), downloadBytesPerSecond: megabits(300) },
  // DOCSIS 3.0 and 3.1 as sold to homes: 200 Mbit/s down and a tenth of it up.
  cable: { uploadBytesPerSecond: megabits(20), downloadBytesPerSecond: megabits(200) },
  // What phones commonly reach, in order of size: 60 Mbit/s down, 12 up.
  mobile: { uploadBytesPerSecond: megabits(12), downloadBytesPerSecond: megabits(60) },
};
for (const bandwidth of Object.values(bandwidths)) Object.freeze(bandwidth);

const bytesPerSecond = between(1, Infinity, ' bytes a second');
const bandwidthRules = {
  checks: { uploadBytesPerSecond: bytesPerSecond, downloadBytesPerSecond: bytesPerSecond },
  defaults: { uploadBytesPerSecond: Infinity, downloadBytesPerSecond: Infinity },
};

/**
 * A complete bandwidth from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolveBandwidth(input: HostBandwidth): Required<HostBandwidth> {
  return resolveConfig<Required<HostBandwidth>>('bandwidth', bandwidthRules, input);
}

/** The names of the link presets. */
export const linkPresets: readonly string[] = [
  'lan',
  'continental',
  'global',
  'mobile',
] satisfies LinkPreset[];

/**
 * The rule behind a link preset, to build on. A preset is delay, jitter and loss; what a host can send is its `bandwidth`.
 * `global` puts hosts in {@link regions} in turn, by their index; {@link regionLinks} puts them where you want them.
 *
 * @throws {ConfigError} when there is no preset of that name
 * @example
 * ```ts
 * const mobile = linkPreset('mobile');
 * const link: LinkRule = (from, to) => ({ ...mobile(from, to), lossRatio: 0.05 });
 * ```
 */
export function linkPreset(name: LinkPreset): LinkRule {
  checkField('preset', name, oneOf(...linkPresets));
  if (name === 'global') return regionLinks({ regionOf: ({ index }) => regions[index % regions.length]! });
  const link = links[name];
  return () => link;
}

/**
 * What hosts of a class can send and receive.
 *
 * @throws {ConfigError} when there is no class of that name
 * @example
 * ```ts
 * const bandwidth = ({ index }: LinkEnd) => bandwidthClass(index < 3 ? 'server' : 'cable');
 * ```
 */
export function bandwidthClass(name: BandwidthClass): Required<HostBandwidth> {
  checkField('bandwidth', name, oneOf(...Object.keys(bandwidths)));
  return bandwidths[name];
}

/**
 * Links between regions of the world, or of your own.
 *
 * @throws {ConfigError} for a matrix that cannot be, listing every problem; the rule throws it for a pair of regions
 *   that the matrix lacks, which ends the run
 * @example
 * ```ts
 * const link = regionLinks({
 *   regionOf: ({ name }) => (name.startsWith('eu') ? 'europe' : 'us-east'),
 *   matrix: { europe: { 'us-east': { delayMs: 45, lossRatio: 0.01 } } },
 * });
 * ```
 */
export function regionLinks<R extends string = Region>({ regionOf, matrix }: RegionConfig<R>): LinkRule {
  checkField('regions.regionOf', regionOf, (value) =>
    typeof value === 'function' ? undefined : 'a function',
  );
  const pairs = worldwide();
  const own = ownLinks(matrix ?? {});
  // What is given for the other direction holds, but not against what is given for this one.
  for (const { from, to, link } of own) pairs.set(pairOf(to, from), link);
  for (const { from, to, link } of own) pairs.set(pairOf(from, to), link);
  return (from, to) => {
    const [source, target] = [regionOf(from), regionOf(to)];
    const link = pairs.get(pairOf(source, target));
    if (link !== undefined) return link;
    const got = `nothing from ${String(source)} to ${String(target)}`;
    throw new ConfigError([{ path: 'regions.matrix', got, wanted: 'a link for each pair of regions' }]);
  };
}

/** No name of a region holds this. */
const pairOf = (from: unknown, to: unknown): string => `${String(from)}\n${String(to)}`;

/** The links of `global`. */
function worldwide(): Map<string, LinkConfig> {
  const pairs = new Map<string, LinkConfig>();
  for (const [row, delays] of delaysMs.entries()) {
    for (const [column, delayMs] of delays.entries()) {
      const [from, to] = [regions[row]!, regions[row + column]!];
      const link = resolveLink(worldLink(delayMs));
      pairs.set(pairOf(from, to), link);
      pairs.set(pairOf(to, from), link);
    }
  }
  return pairs;
}

/** What a matrix says of one pair. */
interface OwnLink {
  readonly from: string;
  readonly to: string;
  readonly link: LinkConfig;
}

/** Every pair that a matrix names. One that is a delay alone has jitter and loss as in `global`. */
function ownLinks(matrix: RegionMatrix<string>): OwnLink[] {
  checkField('regions.matrix', matrix, isRecord);
  const problems: ConfigProblem[] = [];
  const own: OwnLink[] = [];
  /** Everything that is wrong is told at once. */
  const collect = (path: string, read: () => void): void => {
    try {
      read();
    } catch (error) {
      if (!ConfigError.is(error)) throw error;
      problems.push(
        ...error.data.problems.map((problem) => ({ ...problem, path: `${path}: ${problem.path}` })),
      );
    }
  };
  for (const [from, row] of Object.entries(matrix)) {
    if (row === undefined) continue;
    collect(`regions.matrix.${from}`, () => checkField('row', row, isRecord));
    for (const [to, given] of Object.entries(row)) {
      if (given === undefined) continue;
      collect(`regions.matrix.${from}.${to}`, () => {
        checkField('link', given, isLink);
        own.push({ from, to, link: resolveLink(typeof given === 'number' ? worldLink(given) : given) });
      });
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return own;
}

const worldLink = (delayMs: number): LinkConfig => ({ ...overland, delayMs, jitterMs: delayMs / 10 });

const isLink: Check = (value) =>
  typeof value === 'number' ? undefined : isRecord(value) && 'a delay in ms, or a link';
const isRecord: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object';
