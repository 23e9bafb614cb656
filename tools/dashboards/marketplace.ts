import {
  dashboard,
  failedShare,
  heatmap,
  lines,
  ofEach,
  quantileOfEach,
  quantiles,
  rate,
  ratesBy,
  ratesOfEach,
  spread,
  stat,
} from './panels.ts';

/** Every node has slots; those count here that have answered somebody. */
const ofExecutors = (family: string): string =>
  `${family}{$} and on (job, instance, node) (sum by (job, instance, node) (lloom_rpc_served_total{$, outcome="answered"}) > 0)`;
const everySlot = `sum(${ofExecutors('lloom_rpc_slots')})`;
const freeSlots = `sum(${ofExecutors('lloom_rpc_free_slots')})`;

/** What clients get and executors give, all nodes together. */
export const marketplaceDashboard = dashboard({
  uid: 'lloom-marketplace',
  title: 'Lloom marketplace',
  description:
    'All chosen nodes together: what clients get, what executors give, who knows whom, and how offers spread.',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat({
          title: 'Nodes',
          description:
            'Nodes that answer Prometheus. Fewer than you run: see Targets in Prometheus for the error.',
          unit: 'none',
          queries: [{ expr: 'count(lloom_node_info{$})' }],
          warn: 1,
          bad: 0.5,
        }),
        stat({
          title: 'Alerts',
          description:
            'Alerts of Lloom that fire, of all nodes. 0 is normal; docs/operating.md has a section for each.',
          unit: 'none',
          queries: [{ expr: 'count(ALERTS{alertname=~"Lloom.*", alertstate="firing"}) or vector(0)' }],
          warn: 1,
          bad: 5,
        }),
        stat({
          title: 'Executors known',
          description:
            'By the node that knows most. Fewer than run: those do not advertise, or cannot be reached.',
          unit: 'none',
          queries: [{ expr: 'max(lloom_discovery_providers{$, kind="executor"})' }],
          warn: 2,
          bad: 1,
        }),
        stat({
          title: 'Requests',
          description: 'Requests that ended, per second, of all chosen nodes.',
          unit: 'reqps',
          queries: [rate('lloom_rpc_requests_total')],
        }),
        stat({
          title: 'Failed requests',
          description: 'Share that was neither answered nor given up by its caller. Normal is below 1 %.',
          unit: 'percentunit',
          queries: [failedShare],
          warn: 0.01,
          bad: 0.1,
        }),
        stat({
          title: 'Slots taken',
          description:
            'Share of all slots of nodes that have answered requests. Above 80 % requests begin to wait: add executors.',
          unit: 'percentunit',
          queries: [{ expr: `1 - ${freeSlots} / ${everySlot}` }],
          warn: 0.8,
          bad: 0.95,
        }),
      ],
    },
    {
      title: 'What clients get',
      panels: [
        lines({
          title: 'Requests by outcome',
          description:
            'answered, or the code of the error; docs/errors.md says what each means. BUSY growing: too few executors. TIMEOUT: slow ones.',
          unit: 'reqps',
          queries: [ratesBy('outcome', 'lloom_rpc_requests_total')],
          stacked: true,
        }),
        lines({
          title: 'Requests by method',
          description:
            'What is asked for. A method that stops means that its application stopped, or that nobody serves it.',
          unit: 'reqps',
          queries: [ratesBy('method', 'lloom_rpc_requests_total')],
          stacked: true,
        }),
        lines({
          title: 'Attempts after a failure, for each request',
          description:
            'Without hedges. Near 0 is normal. Retries stop at a fixed share of requests, so 0.1 and more for long means that executors fail all the time.',
          unit: 'none',
          queries: [
            {
              expr: 'sum(rate(lloom_rpc_retries_total{$, kind!="hedge"}[$__rate_interval])) / sum(rate(lloom_rpc_requests_total{$}[$__rate_interval]))',
              legend: 'attempts',
            },
          ],
        }),
        lines({
          title: 'Time to the whole answer',
          description: 'Answered requests of all clients. At 120 s requests time out.',
          unit: 's',
          queries: quantiles('lloom_rpc_request_seconds'),
        }),
        lines({
          title: 'Time to the first token',
          description:
            'Streamed answers of all clients: what users feel. Below a second is good; when it climbs, look at Wait for a slot.',
          unit: 's',
          queries: quantiles('lloom_rpc_first_token_seconds'),
        }),
        heatmap({
          title: 'Spread of answers',
          description:
            'How long answered requests took. A band that climbs is a queue; a second one is a kind of executors.',
          unit: 's',
          queries: [spread('lloom_rpc_request_seconds')],
        }),
      ],
    },
    {
      title: 'What executors give',
      panels: [
        lines({
          title: 'Served by outcome',
          description:
            'refused and crowdedOut are turned away, failed and omitted are faults of the executor, abandoned and expired the client.',
          unit: 'reqps',
          queries: [ratesBy('outcome', 'lloom_rpc_served_total')],
          stacked: true,
        }),
        lines({
          title: 'Slots and queue',
          description:
            'Of all executors. Waiting while others have free slots: clients do not know them all, see Executors known by node.',
          unit: 'none',
          queries: [
            { expr: everySlot, legend: 'slots' },
            { expr: `${everySlot} - ${freeSlots}`, legend: 'taken' },
            { expr: 'sum(lloom_rpc_queued_requests{$})', legend: 'waiting' },
          ],
        }),
        lines({
          title: 'Slots taken by executor',
          description:
            'Even shares are normal. One executor full and others idle: it is the cheapest or nearest, or the only one for a model.',
          unit: 'percentunit',
          max: 1,
          queries: [
            {
              expr: `1 - (${ofExecutors('lloom_rpc_free_slots')}) / (${ofExecutors('lloom_rpc_slots')})`,
              legend: '{{instance}} {{node}}',
            },
          ],
        }),
        lines({
          title: 'Wait for a slot',
          description:
            'Near 0 is normal. It is a part of every first token: add executors or slots when it grows.',
          unit: 's',
          queries: quantiles('lloom_rpc_queue_seconds'),
        }),
        lines({
          title: 'Time to serve by executor, p95',
          description:
            'From arrival to the last byte. One executor above the others has a slow model or too many slots for it.',
          unit: 's',
          queries: [quantileOfEach(0.95, 'lloom_rpc_served_seconds')],
        }),
        lines({
          title: 'Tokens sent by executor',
          description:
            'What each earns by. Falling with slots taken as before: the model behind it is overloaded.',
          unit: 'suffix: tok/s',
          queries: [
            {
              expr: 'sum by (instance, node) (rate(lloom_rpc_tokens_total{$, direction="sent"}[$__rate_interval]))',
              legend: '{{instance}} {{node}}',
            },
          ],
        }),
      ],
    },
    {
      title: 'Who knows whom',
      panels: [
        lines({
          title: 'Executors known by node',
          description:
            'About the same at all nodes that look for them. A node far below the others does not hear announcements.',
          unit: 'none',
          queries: [
            {
              expr: 'sum by (instance, node) (lloom_discovery_providers{$, kind="executor"})',
              legend: '{{instance}} {{node}}',
            },
          ],
        }),
        lines({
          title: 'Providers known',
          description:
            'Executors and validators, by the node that knows fewest and most. The gap closes within minutes of a start.',
          unit: 'none',
          queries: [
            { expr: 'min by (kind) (lloom_discovery_providers{$})', legend: '{{kind}}, fewest' },
            { expr: 'max by (kind) (lloom_discovery_providers{$})', legend: '{{kind}}, most' },
          ],
        }),
        lines({
          title: 'Searches by outcome',
          description:
            'empty for a model that nobody serves is normal; failed means that the DHT does not answer, see the dashboard Lloom network.',
          unit: 'cps',
          queries: [ratesBy('outcome', 'lloom_discovery_searches_total')],
          stacked: true,
        }),
        lines({
          title: 'Time to search',
          description:
            'Milliseconds where enough is known already, seconds through the DHT. Beyond 10 s peers of the DHT do not answer.',
          unit: 's',
          queries: quantiles('lloom_discovery_search_seconds'),
        }),
        lines({
          title: 'Descriptors accepted',
          description:
            'Signed offers that were believed. About one a minute for each executor that is listed; 0 for long: nobody announces.',
          unit: 'cps',
          queries: [ratesOfEach('lloom_discovery_descriptors_accepted_total')],
        }),
        lines({
          title: 'Descriptors dropped by reason',
          description:
            'REPLAYED and STALE are normal. FORGED, FOREIGN and MALFORMED are somebody who lies: they are dropped, and the peer is banned in time.',
          unit: 'cps',
          queries: [ratesBy('reason', 'lloom_discovery_descriptors_dropped_total')],
          stacked: true,
        }),
      ],
    },
    {
      title: 'How offers and prices spread',
      panels: [
        lines({
          title: 'Messages published by topic',
          description:
            'Announcements, prices and status of the chosen nodes. Executors announce once a minute, and when something changes.',
          unit: 'cps',
          queries: [ratesBy('topic', 'lloom_gossip_published_total')],
          stacked: true,
        }),
        lines({
          title: 'Messages heard by topic',
          description:
            'Added up over the chosen nodes, so each message counts once for each node that hears it.',
          unit: 'cps',
          queries: [ratesBy('topic', 'lloom_gossip_received_total')],
          stacked: true,
        }),
        lines({
          title: 'Reach',
          description:
            'How many nodes hear a message. Where all nodes are seen here, it is one less than the subscribers; less: meshes are thin.',
          unit: 'none',
          queries: [
            {
              expr: 'sum by (topic) (rate(lloom_gossip_received_total{$}[$__rate_interval])) / sum by (topic) (rate(lloom_gossip_published_total{$}[$__rate_interval]))',
              legend: '{{topic}}',
            },
          ],
        }),
        lines({
          title: 'Delay of gossip',
          description:
            'From the clock of the author to acceptance. Below a second is normal; some seconds is hearsay, minutes are clocks.',
          unit: 's',
          queries: quantiles('lloom_gossip_delay_seconds'),
        }),
        heatmap({
          title: 'Spread of delays',
          description: 'Everything below a second is normal. A band at some seconds is nodes without a mesh.',
          unit: 's',
          queries: [spread('lloom_gossip_delay_seconds')],
        }),
        lines({
          title: 'What is wrong with gossip',
          description:
            'Topics, or alarms, by reason. All 0 is normal. NO_PEERS and NO_MESH: announcements do not arrive; CLOCK_SKEW: set the clock.',
          unit: 'none',
          queries: [{ expr: 'sum by (reason) (lloom_gossip_degraded{$})', legend: '{{reason}}' }],
        }),
        lines({
          title: 'Peers by role',
          description:
            'Connected peers that are known to be executors, validators or relays. No validator: offers are not audited from here.',
          unit: 'none',
          queries: [ofEach('lloom_peers_connected_by_role', 'role')],
          width: 24,
        }),
      ],
    },
  ],
});
