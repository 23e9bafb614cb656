import type { FactExplanation, PeerExplanation, Protection } from '../types.ts';
import { poolLines } from './poolExplanation.ts';
import { leastPoints, signed } from './reputation.ts';

/** What is known of a peer, and the same in words. `nowMs` is wall time. */
export function explain(known: Omit<PeerExplanation, 'text'>, nowMs: number): PeerExplanation {
  const lines = [
    ...stateLines(known),
    ...banLines(known, nowMs),
    ...awayLines(known, nowMs),
    ...reputationLines(known, nowMs),
    ...keepingLines(known),
    ...poolLines(known.pool ?? {}),
  ];
  return { ...known, text: lines.join('\n') };
}

const states: Record<PeerExplanation['state'], string> = {
  absent: 'nothing is under way with it',
  disconnected: 'not connected',
  resting: 'not connected; dialled again after a pause',
  dialing: 'being dialled',
  connected: 'connected',
  closing: 'being disconnected',
  banned: 'banned',
};

function stateLines({ peerId, state, isConnected, roles }: Omit<PeerExplanation, 'text'>): string[] {
  const isBoth = isConnected && state !== 'connected';
  const line = `${peerId}: ${states[state]}${isBoth ? ', with a connection open' : ''}`;
  return roles.length === 0 ? [line] : [line, `it is: ${roles.join(', ')}`];
}

function banLines({ ban }: Omit<PeerExplanation, 'text'>, nowMs: number): string[] {
  if (ban === undefined) return [];
  const who = ban.by === 'user' ? 'by the user' : 'by its reputation';
  const when = `until ${timeText(ban.until)}, ${durationText(ban.until - nowMs)} from now`;
  return [`banned ${who} ${when}${ban.reason === undefined ? '' : `: ${ban.reason}`}`];
}

function awayLines({ awayUntil }: Omit<PeerExplanation, 'text'>, nowMs: number): string[] {
  if (awayUntil === undefined) return [];
  const when = `until ${timeText(awayUntil)}, ${durationText(awayUntil - nowMs)} from now`;
  return [`kept away ${when}, because it was disconnected`];
}

function reputationLines(known: Omit<PeerExplanation, 'text'>, nowMs: number): string[] {
  const { reputation, facts, thresholds } = known;
  const { disconnectBelow, banBelow } = thresholds;
  const ends = `disconnected below ${disconnectBelow}, banned below ${banBelow}`;
  const told = facts.filter(({ points }) => Math.abs(points) >= leastPoints);
  return [`reputation ${signed(reputation)} (${ends})`, ...told.map((fact) => factLine(fact, nowMs))];
}

function factLine({ fact, count, points, lastAt }: FactExplanation, nowMs: number): string {
  const times = count === 1 ? 'once' : `${count} times`;
  return `  ${signed(points)} ${fact}, ${times}, last ${durationText(nowMs - lastAt)} ago`;
}

/** What a reason protects from: from every limit, or from being closed for disuse only. */
const isBeyondLimits: Record<Protection, boolean> = {
  ...{ maintained: true, inUse: true, role: true },
  ...{ needed: false, minimum: false },
};

function keepingLines({ isConnected, maintained, protectedBy }: Omit<PeerExplanation, 'text'>): string[] {
  const lines: string[] = [];
  if (maintained !== undefined) {
    const { failures, lastError } = maintained;
    const last = lastError === undefined ? '' : `, the last one because: ${lastError}`;
    lines.push(isConnected ? 'maintained' : `maintained; dials that failed in a row: ${failures}${last}`);
  }
  const strong = protectedBy.filter((reason) => isBeyondLimits[reason]);
  const weak = protectedBy.filter((reason) => !isBeyondLimits[reason]);
  if (strong.length > 0)
    lines.push(`not closed, also when there are too many connections: ${strong.join(', ')}`);
  if (weak.length > 0) lines.push(`not closed for disuse, but when there are too many: ${weak.join(', ')}`);
  return lines;
}

function timeText(atMs: number): string {
  const date = new Date(atMs);
  return Number.isNaN(date.getTime()) ? 'the end of time' : date.toISOString();
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
] as const;

/** In its largest unit, without fractions. What is negative is none: clocks are set back. */
function durationText(ms: number): string {
  const [name, unitMs] = units.find(([, length]) => ms >= length) ?? (['s', 1_000] as const);
  return `${Math.max(0, Math.floor(ms / unitMs))} ${name}`;
}
