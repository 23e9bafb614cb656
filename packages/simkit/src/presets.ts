import type { LinkConfig } from './link.ts';

/** Parts of the world, as the link preset `global` knows them. */
export type Region =
  | 'us-east'
  | 'us-west'
  | 'south-america'
  | 'europe'
  | 'africa'
  | 'india'
  | 'east-asia'
  | 'oceania';

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
  /** @default Infinity */
  readonly uploadBytesPerSecond?: number;
  /** @default Infinity */
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
