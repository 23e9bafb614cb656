/** How a check came out. `skip`: it could not be made, or does not apply. */
export type Status = 'ok' | 'warn' | 'fail' | 'skip';

/** What is looked at, in this order. */
export const checks = [
  'node',
  'identity',
  'data',
  'listen',
  'bootstrap',
  'clock',
  'dht',
  'mesh',
  'reachability',
  'relay',
  'announce',
] as const;

/** One of {@link checks}. */
export type CheckName = (typeof checks)[number];

/** What a check found. */
export interface Finding {
  readonly check: CheckName;
  /** Which of several it is about, such as an address or a topic. */
  readonly subject?: string;
  readonly status: Status;
  /** What was found, in one line. */
  readonly finding: string;
  /** What to do about it, in one line; empty when there is nothing to do. */
  readonly advice: string;
}

/** A finding that still lacks the check it belongs to. */
export type Judgement = Omit<Finding, 'check' | 'subject'>;

export const ok = (finding: string, advice = ''): Judgement => ({ status: 'ok', finding, advice });
export const warn = (finding: string, advice: string): Judgement => ({ status: 'warn', finding, advice });
export const fail = (finding: string, advice: string): Judgement => ({ status: 'fail', finding, advice });
export const skip = (finding: string, advice = ''): Judgement => ({ status: 'skip', finding, advice });

/** How many findings there are of each status. */
export type Counts = Readonly<Record<Status, number>>;

/** Counts findings by status. */
export function count(findings: readonly Finding[]): Counts {
  const of = (status: Status): number => findings.filter((finding) => finding.status === status).length;
  return { ok: of('ok'), warn: of('warn'), fail: of('fail'), skip: of('skip') };
}

const columns = { status: 6, check: 14 };

/** A finding for people: a line, and a second one with the advice. */
export function linesOf({ check, subject, status, finding, advice }: Finding): string[] {
  const about = subject === undefined ? '' : `${subject}: `;
  const line = `${status.padEnd(columns.status)}${check.padEnd(columns.check)}${about}${finding}`;
  return advice === '' ? [line] : [line, `${' '.repeat(columns.status + columns.check)}-> ${advice}`];
}

/** All findings in one line, for people. */
export function summaryOf({ ok: good, warn: odd, fail: bad, skip: left }: Counts): string {
  const verdict =
    bad > 0
      ? 'Something is wrong.'
      : odd > 0
        ? 'Nothing has failed, but something could be better.'
        : 'Nothing is wrong.';
  return `${verdict} ${good} ok, ${odd} to look at, ${bad} failed, ${left} skipped.`;
}

const seconds = 1_000;
const minutes = 60 * seconds;

/** A time as people say it. */
export function spoken(ms: number): string {
  if (ms < seconds) return `${Math.round(ms)} ms`;
  if (ms < 10 * seconds) return `${(ms / seconds).toFixed(1)} s`;
  return ms < 2 * minutes ? `${Math.round(ms / seconds)} s` : `${Math.round(ms / minutes)} min`;
}

/** `1 peer`, `2 peers`. */
export const counted = (amount: number, word: string): string =>
  `${amount} ${word}${amount === 1 ? '' : 's'}`;
