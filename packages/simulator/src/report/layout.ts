import type { NodeRole } from '../types.ts';
import type { SimulationReport } from './types.ts';

/** The square in which nodes are placed. */
export const side = 560;
const centre = side / 2;
const outermost = 226;
const innermost = 52;

/** From the middle outwards: those that hold a network together, then those that serve, then those that ask. */
export const roles: readonly NodeRole[] = ['relay', 'validator', 'executor', 'client'];

/** Networks of more nodes are not drawn: nobody could tell their links apart. */
export const maxDrawnNodes = 200;

/** A region's part of the circle. */
export interface Sector {
  readonly region: string;
  /** Angles from the top, clockwise, in radians. */
  readonly from: number;
  readonly until: number;
}

/** Where nodes are drawn. */
export interface Layout {
  readonly places: readonly (readonly [x: number, y: number])[];
  /** From the middle of a node to its edge. */
  readonly radius: number;
  /** None when all nodes are in one place. */
  readonly sectors: readonly Sector[];
}

type Nodes = SimulationReport['nodes'];

/** How much of the circle stays free between two regions, in radians: no more than a third of what each has. */
const maxGap = 0.09;

/** Point at an angle from the top, clockwise. */
export const pointAt = (angle: number, radius: number): readonly [number, number] => [
  Math.round((centre + radius * Math.sin(angle)) * 10) / 10,
  Math.round((centre - radius * Math.cos(angle)) * 10) / 10,
];

/** Places nodes on rings by role and in sectors by region: the same nodes are always in the same places. */
export function layoutOf(nodes: Nodes): Layout {
  const sectors = sectorsOf(nodes);
  const present = roles.filter((role) => nodes.some((node) => node.role === role));
  const rings = ringsOf(nodes, present);
  const total = rings.reduce((sum, { rows }) => sum + rows, 0);
  const step = total > 1 ? (outermost - innermost) / (total - 1) : 0;
  const places: (readonly [number, number])[] = nodes.map(() => [centre, centre]);
  let nearest = total > 1 ? step * 0.9 : Infinity;
  let before = 0;
  for (const { role, rows } of rings) {
    for (const sector of sectors) {
      const members = membersOf(nodes, role, sector);
      const width = sector.until - sector.from;
      members.forEach((node, place) => {
        const row = place % rows;
        const inRow = Math.ceil((members.length - row) / rows);
        const angle = sector.from + ((Math.floor(place / rows) + 0.5 + (row % 2) * 0.25) / inRow) * width;
        const radius =
          nodes.length === 1 ? 0 : total === 1 ? outermost * 0.8 : innermost + (before + row) * step;
        places[node] = pointAt(angle, radius);
        if (inRow > 1 || width > 6) nearest = Math.min(nearest, (width / inRow) * radius);
      });
    }
    before += rows;
  }
  return {
    places,
    radius: Math.min(11, Math.max(3, nearest * 0.36)),
    sectors: sectors.length > 1 ? sectors : [],
  };
}

/** How many rows each role needs, so that nodes in a row do not touch. */
function ringsOf(
  nodes: Nodes,
  present: readonly NodeRole[],
): readonly { readonly role: NodeRole; readonly rows: number }[] {
  return present.map((role, place) => {
    const count = nodes.filter((node) => node.role === role).length;
    const share = (place + 1) / present.length;
    const room = Math.floor((2 * Math.PI * (innermost + (outermost - innermost) * share)) / 20);
    return { role, rows: Math.max(1, Math.ceil(count / room)) };
  });
}

const regionOf = (node: Nodes[number]): string => node.region ?? '';

function membersOf(nodes: Nodes, role: NodeRole, { region }: Sector): number[] {
  return nodes.flatMap((node, place) => (node.role === role && regionOf(node) === region ? [place] : []));
}

function sectorsOf(nodes: Nodes): readonly Sector[] {
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(regionOf(node), (counts.get(regionOf(node)) ?? 0) + 1);
  const regions = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  // A small region keeps a part that its name fits beside.
  const weights = regions.map(([, count]) => Math.max(count, nodes.length / 14));
  const sum = weights.reduce((a, b) => a + b, 0);
  const isSplit = regions.length > 1;
  let from = 0;
  return regions.map(([region], place) => {
    const width = ((weights[place] ?? 0) / sum) * 2 * Math.PI;
    const gap = Math.min(maxGap, width / 3);
    const sector = isSplit
      ? { from: from + gap / 2, until: from + width - gap / 2 }
      : { from, until: from + width };
    from += width;
    return { region, ...sector };
  });
}
