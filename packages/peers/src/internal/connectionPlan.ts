/** A connection to one peer, as far as its worth beside others is concerned. */
export interface HeldConnection {
  readonly id: string;
  readonly direction: 'inbound' | 'outbound';
  readonly relayed: boolean;
  /** In ms since 1970. */
  readonly openedAt: number;
}

/** What decides which connections to one peer stay. */
export interface ConnectionRule {
  /** How many stay. */
  readonly limit: number;
  readonly selfPeerId: string;
  readonly remotePeerId: string;
}

/**
 * Which connections to one peer are too many. Both sides come to the same result without talking: direct ones are
 * kept before relayed ones, then those that the peer with the smaller id has dialled, then the older. So two nodes
 * that dial each other at the same time both keep the same connection, rather than each closing the other's.
 */
export function surplusOf(held: readonly HeldConnection[], rule: ConnectionRule): string[] {
  const preferred = rule.selfPeerId < rule.remotePeerId ? 'outbound' : 'inbound';
  return held
    .toSorted(
      (a, b) =>
        Number(a.relayed) - Number(b.relayed) ||
        Number(a.direction !== preferred) - Number(b.direction !== preferred) ||
        a.openedAt - b.openedAt,
    )
    .slice(rule.limit)
    .map(({ id }) => id);
}

/** Whether a connection that is about to be opened would be among those that are too many. */
export function isSurplus(
  candidate: Pick<HeldConnection, 'direction' | 'relayed'>,
  held: readonly HeldConnection[],
  rule: ConnectionRule,
): boolean {
  const id = 'candidate';
  return surplusOf([...held, { ...candidate, id, openedAt: Infinity }], rule).includes(id);
}
