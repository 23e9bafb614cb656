/** A connection to one peer, as far as its worth beside others is concerned. */
export interface HeldConnection {
  readonly id: string;
  readonly direction: 'inbound' | 'outbound';
  readonly relayed: boolean;
  /** In ms since 1970. */
  readonly openedAt: number;
  /** Since when it is known, by the clock's elapsed time. */
  readonly knownSince: number;
  readonly isInUse: boolean;
}

/** So long after it was opened another one may come of a dial that the peer began at the same time, in ms. */
const crossingMs = 5_000;

/** What decides which connections to one peer stay. */
export interface ConnectionRule {
  /** How many stay. */
  readonly limit: number;
  /** The clock's elapsed time. */
  readonly now: number;
  readonly selfPeerId: string;
  readonly remotePeerId: string;
}

/**
 * Which connections to one peer are too many. Direct ones are kept before relayed ones, those that were there before new
 * ones, then those in use, those that the peer with the smaller id has dialled, and the older.
 *
 * Both sides come to the same result about what is new without talking, as use is not asked of it: two nodes that dial each
 * other at the same time both keep the same connection, rather than each closing the other's, and a newcomer that one of them
 * refuses pushes nothing out at the other.
 */
function surplusOf(held: readonly HeldConnection[], rule: ConnectionRule): HeldConnection[] {
  const preferred = rule.selfPeerId < rule.remotePeerId ? 'outbound' : 'inbound';
  const isNew = (connection: HeldConnection): boolean => isCrossing(connection, rule);
  const isSpared = (connection: HeldConnection): boolean => connection.isInUse && !isNew(connection);
  return held
    .toSorted(
      (a, b) =>
        Number(a.relayed) - Number(b.relayed) ||
        Number(isNew(a)) - Number(isNew(b)) ||
        Number(isSpared(b)) - Number(isSpared(a)) ||
        Number(a.direction !== preferred) - Number(b.direction !== preferred) ||
        a.openedAt - b.openedAt,
    )
    .slice(rule.limit);
}

/** Whether it is so new that it may cross with another one. */
const isCrossing = ({ knownSince }: HeldConnection, { now }: ConnectionRule): boolean =>
  now - knownSince < crossingMs;

/**
 * Those that are closed at once: what is in use ends first. `another` has come: of two that cross one goes even so, as each
 * side may use a different one. Relayed ones are spared that: a new one is opened on purpose, as each carries only so much, and
 * a direct one may come in the same moment.
 */
export function surplusToClose(
  held: readonly HeldConnection[],
  rule: ConnectionRule,
  { another }: { readonly another: boolean },
): string[] {
  return surplusOf(held, rule)
    .filter(
      (connection) =>
        rule.limit === 0 ||
        !connection.isInUse ||
        (another && !connection.relayed && isCrossing(connection, rule)),
    )
    .map(({ id }) => id);
}

/** Whether a connection that is about to be opened would be among those that are too many. */
export function isSurplus(
  candidate: Pick<HeldConnection, 'direction' | 'relayed'>,
  held: readonly HeldConnection[],
  rule: ConnectionRule,
): boolean {
  const newcomer = { ...candidate, id: '', openedAt: Infinity, knownSince: rule.now, isInUse: false };
  return surplusOf([...held, newcomer], rule).includes(newcomer);
}
