import type { Tone } from './bits.ts';
import type { Child, Model, Piece, Tools } from './types.ts';

/** What the node says of its network, by section. */
export interface NetworkSections {
  readonly gossip: readonly Child[];
  readonly reachability: readonly Child[];
  readonly discovery: readonly Child[];
  readonly node: readonly Child[];
}

/** The topics and their meshes, how the node can be reached, what it knows of the DHT, and how it is set up. */
export function drawNetwork(tools: Tools, model: Model): NetworkSections {
  const { h } = tools;
  const { gossip, nat, kad, discovery, addresses, config, metrics, node, bans, protocols } = model.state.node;
  const now = model.state.node.at;
  const maxRows = 50;

  const reasons: Readonly<Record<string, string>> = {
    NO_PEERS: 'no connected peer is subscribed',
    NO_MESH: 'peers are subscribed, none is in the mesh: messages come late',
    THIN_MESH: 'few peers are in the mesh although there are more',
    OVERLOADED: 'more messages come than can be validated',
    CLOCK_SKEW: 'the clocks of others differ from this one',
  };
  const reasonText = (reason: string): string => (Object.hasOwn(reasons, reason) ? reasons[reason]! : reason);

  const topicTones: Readonly<Record<string, Tone>> = {
    healthy: 'good',
    joining: 'info',
    thinning: 'warn',
    degraded: 'bad',
    left: 'plain',
  };

  /** Some of a list, and how many there are beside. */
  const list = (items: readonly Child[], most = maxRows): Piece =>
    h(
      'ul',
      { class: 'plain' },
      ...items.slice(0, most).map((item) => h('li', {}, item)),
      items.length > most &&
        h('li', { key: 'rest', class: 'soft' }, `${tools.count(items.length - most)} more`),
    );

  const addressList = (all: readonly string[]): Child =>
    all.length > 0 && list(all.map((address) => h('code', {}, tools.cut(address, 200))));

  const topicPiece = (topic: (typeof gossip.topics)[number]): Piece => {
    const { topic: name, state, reason, meshPeers, topicPeers, mesh } = topic;
    return h(
      'li',
      { key: name, class: 'topic' },
      h(
        'div',
        { class: 'head' },
        h('h3', {}, tools.cut(name, 80)),
        tools.pill(state, topicTones[state] ?? 'plain'),
      ),
      reason !== undefined && h('p', { class: 'low' }, reasonText(reason)),
      h(
        'p',
        { class: 'soft' },
        `${tools.count(meshPeers)} in the mesh, ${tools.counted(topicPeers, 'peer')} subscribed`,
      ),
      mesh.length > 0 &&
        h(
          'ul',
          { class: 'chips' },
          ...mesh.slice(0, 12).map((peerId) => h('li', { key: peerId }, tools.peerLink(peerId))),
          mesh.length > 12 && h('li', { class: 'soft', key: 'rest' }, `${mesh.length - 12} more`),
        ),
    );
  };

  const drops = Object.entries(gossip.dropped).filter(([, count]) => count > 0);
  const drawGossip = (): readonly Child[] => [
    gossip.alarms.length > 0 &&
      h('p', { class: 'low', key: 'alarms' }, gossip.alarms.map(reasonText).join('; ')),
    gossip.topics.length === 0
      ? tools.nothing('No topic is subscribed to.')
      : h('ul', { class: 'topics', key: 'topics' }, ...gossip.topics.slice(0, maxRows).map(topicPiece)),
    gossip.topics.length > maxRows &&
      h('p', { class: 'more', key: 'rest' }, `${gossip.topics.length - maxRows} more topics not shown`),
    tools.facts(
      ['Accepted', tools.counted(gossip.accepted, 'message')],
      ['Further copies', tools.count(gossip.duplicates)],
      [
        'Dropped',
        drops.length > 0 && drops.map(([reason, count]) => `${reason} ${tools.count(count)}`).join(', '),
      ],
      ['Waiting for a peer', gossip.pendingPublishes > 0 && tools.count(gossip.pendingPublishes)],
      ['Being validated', gossip.pendingValidations > 0 && tools.count(gossip.pendingValidations)],
    ),
  ];

  const statusTones: Readonly<Record<string, Tone>> = { public: 'good', private: 'warn', unknown: 'plain' };
  const verdictTones: Readonly<Record<string, Tone>> = { reachable: 'good', unreachable: 'bad' };
  const meanings = {
    public: 'Others can reach this node.',
    private: 'Nobody outside can reach this node.',
    unknown: 'Whether others can reach this node is not known.',
  } as const;
  const roles = [
    nat.isAutonatServer && 'tells others whether they can be reached',
    nat.isRelayClient && 'is reached through relays',
    nat.isRelayServer && 'relays for others',
  ].filter((role) => role !== false);

  const drawReachability = (): readonly Child[] => [
    h(
      'p',
      { class: 'head', key: 'status' },
      tools.pill(nat.status.kind, statusTones[nat.status.kind] ?? 'plain'),
      ` ${meanings[nat.status.kind]}`,
    ),
    tools.facts(
      ['Confirmed', nat.status.kind !== 'unknown' && `${nat.confidence} times`],
      ['Address', nat.status.kind === 'public' && h('code', {}, tools.cut(nat.status.address, 200))],
      ['NAT mapping', nat.mapping],
      ['Peers that could be asked', nat.isAutonatEnabled ? tools.count(nat.servers) : 'switched off'],
      ['This node', roles.length > 0 && roles.join(', ')],
      [
        'Candidates',
        nat.candidates.length > 0 &&
          list(
            nat.candidates.map(({ address, verdict }) =>
              h(
                'span',
                {},
                h('code', {}, tools.cut(address, 120)),
                ' ',
                tools.pill(verdict, verdictTones[verdict] ?? 'plain'),
              ),
            ),
          ),
      ],
      [
        'Relays',
        nat.relays.length > 0 &&
          list(
            nat.relays.map(({ relay, state, expiresAt, lastFailure }) =>
              h(
                'span',
                {},
                tools.peerLink(relay),
                ' ',
                tools.pill(state, state === 'reserved' ? 'good' : state === 'ended' ? 'bad' : 'info'),
                expiresAt !== undefined && ` for ${tools.between(now, expiresAt)}`,
                lastFailure !== undefined && h('span', { class: 'low' }, ` ${tools.cut(lastFailure, 160)}`),
              ),
            ),
          ),
      ],
      [
        'Ways around relays',
        nat.upgrades.length > 0 &&
          list(
            nat.upgrades.map(({ peerId, state, reason }) =>
              h(
                'span',
                {},
                tools.peerLink(peerId),
                ' ',
                tools.pill(state, state === 'direct' ? 'good' : state === 'relayed' ? 'warn' : 'info'),
                reason !== undefined && ` ${reason}`,
              ),
            ),
          ),
      ],
    ),
  ];

  const offers = discovery.advertisements.map(({ service, state }) =>
    h('span', {}, service.kind, ' ', tools.pill(state, state === 'advertised' ? 'good' : 'info')),
  );
  const drawDiscovery = (): readonly Child[] => [
    tools.facts(
      ['Routing table', tools.counted(kad.routingTableSize, 'peer')],
      ['Records kept', tools.count(kad.storedRecords)],
      ['Bootstrap', tools.pill(discovery.bootstrap.state)],
      ['Offers of this node', offers.length > 0 && list(offers)],
      ['Announcement', tools.pill(discovery.announcement.state)],
      [
        'Offers of others',
        `${tools.count(discovery.descriptors.live)} valid, ${tools.count(discovery.descriptors.accepted)} accepted so far`,
      ],
      [
        'Names joined',
        discovery.rendezvous.length > 0 &&
          list(
            discovery.rendezvous.map(({ name, state }) =>
              h('span', {}, tools.cut(name, 60), ' ', tools.pill(state)),
            ),
          ),
      ],
      [
        'On the local network',
        discovery.localPeers.length > 0 && list(discovery.localPeers.map(tools.peerLink)),
      ],
    ),
  ];

  const valueText = (value: unknown): string => {
    if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(String).join(', ');
    return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
  };
  const busiest = [...metrics.protocols]
    .toSorted((a, b) => b.bytesIn + b.bytesOut - a.bytesIn - a.bytesOut)
    .slice(0, 12);
  const drawNode = (): readonly Child[] => [
    tools.facts(
      [
        'Peer id',
        h('span', {}, h('code', {}, node.peerId), ' ', tools.copyButton(node.peerId, 'the peer id')),
      ],
      ['Program', tools.cut(node.agentVersion, 80)],
      ['Runs on', `Node ${node.nodeVersion}, ${node.platform}`],
      ['Listens on', addressList(addresses.listening)],
      ['Announces', addressList(addresses.announced)],
      ['Bans', bans.length > 0 && tools.counted(bans.length, 'peer')],
      [
        'Bytes so far',
        `${tools.bytes(metrics.network.bytesIn)} in, ${tools.bytes(metrics.network.bytesOut)} out`,
      ],
    ),
    h(
      'details',
      { key: 'protocols' },
      h('summary', {}, `Protocols (${tools.count(protocols.length)} served)`),
      h(
        'table',
        { class: 'narrow' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...['Protocol', 'In', 'Out', 'Open'].map((name, index) =>
              h('th', { scope: 'col', class: index > 0 && 'number' }, name),
            ),
          ),
        ),
        h(
          'tbody',
          {},
          ...busiest.map(({ protocol, bytesIn, bytesOut, openStreams }) =>
            h(
              'tr',
              { key: protocol },
              h('th', { scope: 'row' }, h('code', {}, tools.cut(protocol, 60))),
              h('td', { class: 'number' }, tools.bytes(bytesIn)),
              h('td', { class: 'number' }, tools.bytes(bytesOut)),
              h('td', { class: 'number' }, tools.count(openStreams)),
            ),
          ),
        ),
      ),
    ),
    h(
      'details',
      { key: 'config' },
      h('summary', {}, 'Configuration'),
      tools.facts(
        ...Object.entries(config).map(([name, value]) => [name, tools.cut(valueText(value), 300)] as const),
      ),
    ),
  ];

  return {
    gossip: drawGossip(),
    reachability: drawReachability(),
    discovery: drawDiscovery(),
    node: drawNode(),
  };
}
