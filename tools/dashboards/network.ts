import {
  dashboard,
  heatmap,
  lines,
  ofEach,
  quantiles,
  ratesBy,
  ratesOfEach,
  spread,
  stat,
} from './panels.ts';

/** What carries everything: connections, the DHT, gossip, and ways through NATs. */
export const networkDashboard = dashboard({
  uid: 'lloom-network',
  title: 'Lloom network',
  description:
    'Below requests: bytes and streams by protocol, gossip meshes, the DHT, reachability, relays, and dials.',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat({
          title: 'Nodes without peers',
          description:
            'Chosen nodes that nobody is connected to. 0 is normal; run lloom doctor on such a node.',
          unit: 'none',
          queries: [{ expr: 'sum(lloom_peers_connected{$} == bool 0)' }],
          warn: 1,
          bad: 1,
        }),
        stat({
          title: 'Nodes that have not joined',
          description:
            'No bootstrap peer answers them. 0 is normal; check the addresses of the bootstrap peers.',
          unit: 'none',
          queries: [{ expr: 'sum(lloom_discovery_joined{$} == bool 0)' }],
          warn: 1,
          bad: 1,
        }),
        stat({
          title: 'Private nodes without a place',
          description: 'Nobody can reach them. 0 is normal; name relays that have places, or open a port.',
          unit: 'none',
          queries: [
            {
              expr: 'sum(sum without (kind) (lloom_nat_status{$, kind="private"}) * (lloom_nat_reservations{$} == bool 0))',
            },
          ],
          warn: 1,
          bad: 1,
        }),
        stat({
          title: 'Topics without a mesh',
          description: 'Topics of all nodes on which messages come late or not at all. 0 is normal.',
          unit: 'none',
          queries: [{ expr: 'sum(lloom_gossip_degraded{$, reason=~"NO_PEERS|NO_MESH"})' }],
          warn: 1,
          bad: 3,
        }),
        stat({
          title: 'Banned peers',
          description:
            'Added up over the nodes. Some are normal in an open network; see Bans when it rises fast.',
          unit: 'none',
          queries: [{ expr: 'sum(lloom_peers_banned{$})' }],
        }),
        stat({
          title: 'Dials that wait',
          description:
            'In the queues of libp2p. Near 0 is normal; hundreds for minutes: addresses lead nowhere.',
          unit: 'none',
          queries: [{ expr: 'sum(libp2p_dial_queue{$, libp2p_dial_queue="queued"})' }],
          warn: 50,
          bad: 200,
        }),
      ],
    },
    {
      title: 'Bytes and streams',
      panels: [
        lines({
          title: 'Bytes by protocol',
          description:
            'Without encryption and framing. rpc leads on busy nodes; kad or meshsub in front: many peers and few requests, or a flood.',
          unit: 'Bps',
          queries: [
            {
              expr: 'sum by (protocol, direction) (rate(lloom_protocol_bytes_total{$}[$__rate_interval]))',
              legend: '{{protocol}} {{direction}}',
            },
          ],
        }),
        lines({
          title: 'Streams opened by protocol',
          description:
            'Sessions of rpc and gossip keep theirs, so few are opened. Many of one protocol each second: peers come and go, or one is hostile.',
          unit: 'cps',
          queries: [
            {
              expr: 'sum by (protocol, direction) (rate(lloom_protocol_streams_total{$}[$__rate_interval]))',
              legend: '{{protocol}} {{direction}}',
            },
          ],
        }),
        lines({
          title: 'Open streams by protocol',
          description:
            'About two a peer for gossip and one or two for rpc. One that only rises is a leak: report it with exportState().',
          unit: 'none',
          queries: [{ expr: 'sum by (protocol) (lloom_protocol_open_streams{$})', legend: '{{protocol}}' }],
        }),
        lines({
          title: 'Bytes',
          description: 'Everything over connections, as it travels. What relays pass on for others is in it.',
          unit: 'Bps',
          queries: [ratesOfEach('lloom_network_bytes_total', 'direction')],
          width: 24,
        }),
      ],
    },
    {
      title: 'Gossip',
      panels: [
        lines({
          title: 'Mesh by topic',
          description:
            'Neighbours that hand messages over at once: 4 to 12 where there are so many subscribers, all of them where there are fewer.',
          unit: 'none',
          queries: [ofEach('lloom_gossip_mesh_peers', 'topic')],
        }),
        lines({
          title: 'Subscribed peers by topic',
          description:
            'Connected peers that hear the topic. 0: connect to more peers, or compare the names of the topics.',
          unit: 'none',
          queries: [ofEach('lloom_gossip_topic_peers', 'topic')],
        }),
        lines({
          title: 'Gossip dropped by reason',
          description:
            'replayed is normal. stale: clocks. overload, unjudged: slow validators. impostor, malformed: forged. docs/protocol/gossip.md names all.',
          unit: 'cps',
          queries: [ratesBy('reason', 'lloom_gossip_dropped_total')],
          stacked: true,
        }),
        lines({
          title: 'Gossip heard by topic',
          description:
            'Messages that were accepted. A topic that stops at one node alone: its mesh is empty.',
          unit: 'cps',
          queries: [ratesOfEach('lloom_gossip_received_total', 'topic')],
        }),
        lines({
          title: 'Delay of gossip',
          description:
            'Below a second is normal. Some seconds is hearsay of nodes without a mesh, minutes are clocks.',
          unit: 's',
          queries: quantiles('lloom_gossip_delay_seconds'),
        }),
        lines({
          title: 'What is wrong by node',
          description:
            'Topics, or alarms, by reason. All 0 is normal; docs/operating.md says what to do about each.',
          unit: 'none',
          queries: [ofEach('lloom_gossip_degraded', 'reason')],
        }),
      ],
    },
    {
      title: 'DHT and discovery',
      panels: [
        lines({
          title: 'DHT records',
          description:
            'Records and provider entries that nodes keep for others. It grows with the network and stays level with it.',
          unit: 'none',
          queries: [ofEach('lloom_kad_records')],
        }),
        lines({
          title: 'Routing table',
          description:
            'Peers of the DHT that are known. All of a small network, some hundreds of a large one. 0: the node cannot search.',
          unit: 'none',
          queries: [ofEach('lloom_kad_routing_table_peers')],
        }),
        lines({
          title: 'Joined',
          description:
            '1 when a bootstrap peer answered, or when there is nobody to join. 0 for minutes: check their addresses.',
          unit: 'none',
          max: 1,
          queries: [ofEach('lloom_discovery_joined')],
        }),
        lines({
          title: 'Searches by outcome',
          description:
            'failed means that nobody of the DHT answered: see Routing table and Dials by outcome.',
          unit: 'cps',
          queries: [ratesBy('outcome', 'lloom_discovery_searches_total')],
        }),
        heatmap({
          title: 'Spread of searches',
          description:
            'Milliseconds where enough is known already, seconds through the DHT. Beyond 10 s its peers do not answer.',
          unit: 's',
          queries: [spread('lloom_discovery_search_seconds')],
          width: 16,
        }),
      ],
    },
    {
      title: 'Peers',
      panels: [
        lines({
          title: 'Connections',
          description:
            'By who opened them. Near maxConnections new peers are turned away: raise it, or run another node.',
          unit: 'none',
          queries: [ofEach('lloom_peers_connections', 'direction')],
        }),
        lines({
          title: 'Dials by outcome',
          description:
            'Half of the dials of an open network may fail. Nearly all failing: a firewall, or the network of this machine.',
          unit: 'cps',
          queries: [ratesBy('outcome', 'lloom_peers_dials_total')],
        }),
        lines({
          title: 'Dial queue of libp2p',
          description: 'Dials that run and that wait. Some dozens for moments are normal after a start.',
          unit: 'none',
          queries: [
            {
              expr: 'sum by (libp2p_dial_queue) (libp2p_dial_queue{$})',
              legend: '{{libp2p_dial_queue}}',
            },
          ],
        }),
        lines({
          title: 'Facts about peers',
          description:
            'SERVED is good. INVALID_… and FLOOD are peers that lie or shout; UNREACHABLE and REQUEST_FAILED are faults of the network.',
          unit: 'cps',
          queries: [ratesBy('fact', 'lloom_peers_facts_total')],
        }),
        lines({
          title: 'Bans',
          description:
            'Bans per hour. Single ones are normal; many at once at one node only: that node is at fault or under attack.',
          unit: 'none',
          queries: [
            {
              expr: '3600 * sum by (instance, node) (rate(lloom_peers_bans_total{$}[$__rate_interval]))',
              legend: '{{instance}} {{node}}',
            },
          ],
        }),
        lines({
          title: 'Connections of libp2p',
          description:
            "libp2p's own count, with those that are not ready yet. Pending for long: handshakes hang, or somebody floods.",
          unit: 'none',
          queries: [
            {
              expr: 'sum by (libp2p_connection_manager_connections) (libp2p_connection_manager_connections{$})',
              legend: '{{libp2p_connection_manager_connections}}',
            },
          ],
        }),
      ],
    },
    {
      title: 'Reachability and relays',
      panels: [
        lines({
          title: 'Nodes by reachability',
          description:
            'public, private behind a NAT, or unknown for some minutes after a start. A server that is private has a closed port.',
          unit: 'none',
          queries: [{ expr: 'sum by (kind) (lloom_nat_status{$})', legend: '{{kind}}' }],
          stacked: true,
        }),
        lines({
          title: 'Places held at relays',
          description: 'Private nodes want two, public ones none. 0 at a private node: nobody can reach it.',
          unit: 'none',
          queries: [ofEach('lloom_nat_reservations')],
        }),
        lines({
          title: 'Places lost',
          description:
            'Relays that went away or did not renew, per hour. Some are normal; many: use better relays.',
          unit: 'none',
          queries: [
            {
              expr: '3600 * sum by (instance, node) (rate(lloom_nat_relays_lost_total{$}[$__rate_interval]))',
              legend: '{{instance}} {{node}}',
            },
          ],
        }),
        lines({
          title: 'Relayed connections',
          description:
            'Connections that go through a relay. They should become direct within half a minute, where NATs let them.',
          unit: 'none',
          queries: [ofEach('lloom_nat_relayed_connections')],
        }),
        lines({
          title: 'Ways found',
          description:
            'How relayed connections became direct: dialed, reversed, punched. relayed stayed so; nearly all of them is a hard NAT or firewall.',
          unit: 'cps',
          queries: [ratesBy('outcome', 'lloom_nat_upgrades_total')],
          stacked: true,
        }),
        lines({
          title: 'Relay: places',
          description:
            'Given, and how many there are. Near the limit raise maxReservations, or run another relay.',
          unit: 'none',
          queries: [
            { expr: 'sum by (instance, node) (lloom_nat_places{$})', legend: '{{instance}} {{node}} given' },
            {
              expr: 'sum by (instance, node) (lloom_nat_places_limit{$})',
              legend: '{{instance}} {{node}} limit',
            },
          ],
        }),
        lines({
          title: 'Relay: circuits',
          description:
            'Connections that this relay carries now. Level for long: peers behind it cannot find direct ways.',
          unit: 'none',
          queries: [ofEach('lloom_nat_circuits')],
          width: 12,
        }),
        lines({
          title: 'Relay: bytes',
          description:
            'What this relay carries for others. Choose its limits by what the line of the machine bears.',
          unit: 'Bps',
          queries: [ratesOfEach('lloom_nat_relayed_bytes_total')],
          width: 12,
        }),
      ],
    },
  ],
});
