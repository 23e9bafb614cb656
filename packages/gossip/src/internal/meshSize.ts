import type { MeshSize } from '../types.ts';

/** The mesh of one topic in gossipsub's own words. */
export interface MeshParameters {
  /** How many neighbours a mesh is filled up to, and cut down to. */
  readonly D: number;
  /** Below this it is filled. */
  readonly Dlo: number;
  /** Above this it is cut. */
  readonly Dhi: number;
  /** How many are kept for their score when it is cut. */
  readonly Dscore: number;
  /** How many are to be neighbours that this node chose itself. */
  readonly Dout: number;
}

/**
 * What gossipsub has to be told for a mesh of that size: 6 gives its own defaults. What it demands holds for every size:
 * Dlo <= D <= Dhi, Dout < Dlo, Dout <= D / 2, Dscore <= D.
 */
export function meshParameters({ target, high }: MeshSize): MeshParameters {
  const Dlo = Math.ceil((target * 2) / 3);
  // Nobody can take over a mesh in which some were chosen from within; more than a few change nothing.
  const Dout = Math.min(Math.floor(target / 3), maxChosen);
  return { D: target, Dlo, Dhi: high, Dscore: Dlo, Dout };
}

const maxChosen = 4;
