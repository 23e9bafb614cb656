import type { Child, Model, PeerColumn, PeerView, Piece, Tools } from './types.ts';

/** The table of all peers that the node tells of, sorted and filtered as the reader has chosen. */
export function drawPeersTable(tools: Tools, model: Model): readonly Child[] {
  const { h } = tools;
  const { filter, isConnectedOnly, sort, shown } = model.choice;

  const offersOf = ({ services }: PeerView): string =>
    services.map(({ kind, models }) => (models.length === 0 ? kind : models.join(', '))).join('; ');

  const waysOf = ({ connections, relay }: PeerView): string => {
    const ways = new Map<string, number>();
    for (const { direction, transport } of connections) {
      const way = `${direction === 'outbound' ? 'out' : 'in'} ${transport}`;
      ways.set(way, (ways.get(way) ?? 0) + 1);
    }
    const said = [...ways].map(([way, count]) => (count === 1 ? way : `${way} ×${count}`));
    return [...said, ...(relay === undefined ? [] : ['relayed'])].join(', ');
  };

  const standingOf = ({ isConnected, isBanned }: PeerView): string =>
    isBanned ? 'banned' : isConnected ? 'connected' : 'not connected';

  const score = (value: number | undefined): Piece | string =>
    value === undefined ? '–' : h('span', { class: value < 0 ? 'low' : '' }, tools.figure(value));

  const columns: readonly {
    readonly column: PeerColumn;
    readonly name: string;
    readonly isNumber?: boolean;
    readonly rank: (peer: PeerView) => string | number;
    readonly cell: (peer: PeerView) => Child;
  }[] = [
    {
      column: 'peer',
      name: 'Peer',
      rank: (peer) => `${peer.isConnected ? 0 : 1}${peer.peerId}`,
      cell: (peer) =>
        h(
          'span',
          { class: `who ${standingOf(peer).replaceAll(' ', '')}` },
          tools.peerLink(peer.peerId),
          h('span', { class: 'soft' }, standingOf(peer)),
        ),
    },
    {
      column: 'roles',
      name: 'Roles',
      rank: ({ roles }) => roles.toSorted().join(' '),
      cell: ({ roles, isMaintained }) => [...roles, ...(isMaintained ? ['maintained'] : [])].join(', '),
    },
    { column: 'offers', name: 'Offers', rank: offersOf, cell: (peer) => tools.cut(offersOf(peer), 70) },
    {
      column: 'reputation',
      name: 'Reputation',
      isNumber: true,
      rank: ({ reputation }) => reputation,
      cell: ({ reputation }) => score(reputation),
    },
    {
      column: 'score',
      name: 'Gossip score',
      isNumber: true,
      rank: (peer) => peer.score ?? Number.NEGATIVE_INFINITY,
      cell: (peer) => score(peer.score),
    },
    {
      column: 'rtt',
      name: 'Round trip',
      isNumber: true,
      rank: ({ rttMs }) => rttMs ?? Number.POSITIVE_INFINITY,
      cell: ({ rttMs }) => (rttMs === undefined ? '–' : tools.duration(rttMs)),
    },
    {
      column: 'connections',
      name: 'Connections',
      rank: (peer) => waysOf(peer),
      cell: (peer) => waysOf(peer) || '–',
    },
  ];

  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const isWanted = (peer: PeerView): boolean => {
    if (words.length === 0) return true;
    const text = [peer.peerId, ...peer.roles, offersOf(peer), waysOf(peer), standingOf(peer), ...peer.meshes];
    const all = text.join(' ').toLowerCase();
    return words.every((word) => all.includes(word));
  };
  const rank = columns.find(({ column }) => column === sort.column)?.rank ?? (({ peerId }) => peerId);
  const compare = (a: PeerView, b: PeerView): number => {
    const [left, right] = [rank(a), rank(b)];
    const order = left < right ? -1 : left > right ? 1 : 0;
    return (sort.isDown ? -order : order) || (a.peerId < b.peerId ? -1 : 1);
  };
  const found = [...model.peers.values()].filter(isWanted);
  const isListed = ({ peerId }: PeerView): boolean => !isConnectedOnly || model.connectedAt.has(peerId);
  const wanted = found.filter(isListed).toSorted(compare);
  const others = found.length - wanted.length;
  const rows = wanted.slice(0, shown.peers);

  const header = ({ column, name, isNumber }: (typeof columns)[number]): Piece => {
    const isSorted = column === sort.column;
    const toggle = (): void =>
      tools.choose(({ sort: old }) => ({
        sort: { column, isDown: old.column === column ? !old.isDown : isNumber === true && column !== 'rtt' },
      }));
    return h(
      'th',
      {
        key: column,
        scope: 'col',
        class: isNumber === true && 'number',
        'aria-sort': isSorted && (sort.isDown ? 'descending' : 'ascending'),
      },
      h('button', { type: 'button', class: 'sort', on: { click: toggle } }, name),
    );
  };
  const row = (peer: PeerView): Piece =>
    h(
      'tr',
      { key: peer.peerId },
      ...columns.map(({ column, name, isNumber, cell }) =>
        h(
          column === 'peer' ? 'th' : 'td',
          {
            key: column,
            scope: column === 'peer' && 'row',
            class: isNumber === true && 'number',
            'data-name': name,
          },
          cell(peer),
        ),
      ),
    );

  const { leftOut } = model.state.node;
  return [
    h(
      'p',
      { class: 'soft said', key: 'count' },
      words.length === 0
        ? tools.counted(wanted.length, 'peer')
        : `${tools.count(wanted.length)} of ${tools.counted(model.peers.size, 'peer')}`,
      others > 0 && `, ${tools.count(others)} not connected`,
      leftOut.peers > 0 && `, ${tools.count(leftOut.peers)} more are known and not told`,
    ),
    wanted.length === 0
      ? tools.nothing(
          others > 0
            ? 'None is connected.'
            : words.length === 0
              ? 'No peer is known yet.'
              : 'No peer has these words.',
        )
      : h(
          'table',
          { class: 'stacking', key: 'table' },
          h('thead', {}, h('tr', {}, ...columns.map(header))),
          h('tbody', {}, ...rows.map(row)),
        ),
    tools.more(wanted.length - rows.length, 'peer', () =>
      tools.choose((choice) => ({ shown: { ...choice.shown, peers: choice.shown.peers + 100 } })),
    ),
  ];
}
