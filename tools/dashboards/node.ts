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
  table,
} from './panels.ts';

/** What single nodes do. */
export const nodeDashboard = dashboard({
  uid: 'lloom-node',
  title: 'Lloom node',
  description:
    'What the chosen nodes do: traffic, connections, requests, what they serve, and their processes.',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat({
          title: 'Nodes',
          description:
            'Chosen nodes that answer Prometheus. Fewer than you run: see Targets in Prometheus for the error.',
          unit: 'none',
          queries: [{ expr: 'count(lloom_node_info{$})' }],
          warn: 1,
          bad: 0.5,
        }),
        stat({
          title: 'Connected peers',
          description:
            'Peers with an open connection, all chosen nodes added up. 0: nothing works; run lloom doctor.',
          unit: 'none',
          queries: [{ expr: 'sum(lloom_peers_connected{$})' }],
          warn: 2,
          bad: 1,
        }),
        stat({
          title: 'Requests',
          description:
            'Requests of these nodes that ended, per second. Compare with what your application sends.',
          unit: 'reqps',
          queries: [rate('lloom_rpc_requests_total')],
        }),
        stat({
          title: 'Failed requests',
          description:
            'Share that was neither answered nor given up by its caller. Normal is below 1 %; see Requests by outcome for the reason.',
          unit: 'percentunit',
          queries: [failedShare],
          warn: 0.01,
          bad: 0.1,
        }),
        stat({
          title: 'First token, p95',
          description:
            'How long 95 % of the streamed answers take to begin. Beyond some seconds see the queues of the executors.',
          unit: 's',
          queries: [quantiles('lloom_rpc_first_token_seconds')[1]!],
          warn: 5,
          bad: 10,
        }),
        stat({
          title: 'Tokens',
          description:
            'Tokens of answers that are streamed to and from these nodes, per second. 0 with requests running: answers stand still.',
          unit: 'suffix: tok/s',
          queries: [rate('lloom_rpc_tokens_total')],
        }),
        table({
          title: 'Versions',
          description:
            'Which nodes run which version. Mixed versions work together; update those behind before you look for faults.',
          unit: 'none',
          queries: [{ expr: 'lloom_node_info{$}' }],
          hidden: ['Value'],
        }),
      ],
    },
    {
      title: 'Traffic and connections',
      panels: [
        lines({
          title: 'Bytes',
          description:
            'Bytes over connections, as they travel. Much more than requests explain: see Bytes by protocol, and whether the node relays.',
          unit: 'Bps',
          queries: [ratesOfEach('lloom_network_bytes_total', 'direction')],
        }),
        lines({
          title: 'Bytes by protocol',
          description:
            'Which protocol the bytes are of. rpc leads on busy nodes; kad or meshsub in front means many peers and few requests, or a flood.',
          unit: 'Bps',
          queries: [ratesBy('protocol', 'lloom_protocol_bytes_total')],
          stacked: true,
        }),
        lines({
          title: 'Bandwidth, as the node says it',
          description:
            'What networkMetrics() tells the application, averaged by the node. It follows Bytes within seconds.',
          unit: 'Bps',
          queries: [ofEach('lloom_network_bandwidth_bytes_per_second', 'direction')],
        }),
        lines({
          title: 'Peers',
          description:
            'Peers with an open connection. Steady is normal; a sudden fall is the network of this machine, a slow one the peers.',
          unit: 'none',
          queries: [ofEach('lloom_peers_connected')],
        }),
        lines({
          title: 'Connections',
          description:
            'By who opened them. Only outbound ones at a node that should be public: nobody can reach it, see the dashboard Lloom network.',
          unit: 'none',
          queries: [ofEach('lloom_peers_connections', 'direction')],
        }),
        lines({
          title: 'Messages',
          description:
            'Requests, answers and gossip messages per second, without what is passed on. Sent without received for long: nobody answers.',
          unit: 'cps',
          queries: [
            {
              expr: 'sum by (carrier, direction) (rate(lloom_messages_total{$}[$__rate_interval]))',
              legend: '{{carrier}} {{direction}}',
            },
          ],
        }),
      ],
    },
    {
      title: 'Requests of these nodes',
      panels: [
        lines({
          title: 'Requests by outcome',
          description:
            'answered, or the code of the error; docs/errors.md says what each means and what to do. CANCELLED is up to the caller.',
          unit: 'reqps',
          queries: [ratesBy('outcome', 'lloom_rpc_requests_total')],
          stacked: true,
        }),
        lines({
          title: 'Pending requests',
          description:
            'Requests that wait for the end of their answers. Rising while Requests stays level: executors are slower than users.',
          unit: 'none',
          queries: [ofEach('lloom_rpc_pending_requests')],
        }),
        lines({
          title: 'Attempts after a failure',
          description:
            'Retries and failovers, not hedges, per second. Near 0 is normal; users do not see failures yet, so look for executors that fail.',
          unit: 'cps',
          queries: [
            {
              expr: 'sum by (method) (rate(lloom_rpc_retries_total{$, kind!="hedge"}[$__rate_interval]))',
              legend: '{{method}}',
            },
          ],
        }),
        lines({
          title: 'Time to the whole answer',
          description:
            'Answered requests. It follows the length of answers; p50 level with p99 rising means that some executors are slow.',
          unit: 's',
          queries: quantiles('lloom_rpc_request_seconds'),
        }),
        lines({
          title: 'Time to the first token',
          description:
            'Streamed answers. This is what users feel: below a second is good. Compare with Wait for a slot to tell queues from slow models.',
          unit: 's',
          queries: quantiles('lloom_rpc_first_token_seconds'),
        }),
        lines({
          title: 'First token by node, p95',
          description:
            'One node above all others has a slow link or slow executors; all of them at once is the executors.',
          unit: 's',
          queries: [quantileOfEach(0.95, 'lloom_rpc_first_token_seconds')],
        }),
        heatmap({
          title: 'Spread of answers',
          description:
            'How long answered requests took. Two bands are two kinds of requests or of executors; one that climbs is a queue.',
          unit: 's',
          queries: [spread('lloom_rpc_request_seconds')],
          width: 12,
        }),
        heatmap({
          title: 'Spread of first tokens',
          description:
            'How long answers took to begin. A second band high above the first is executors that let requests wait.',
          unit: 's',
          queries: [spread('lloom_rpc_first_token_seconds')],
          width: 12,
        }),
      ],
    },
    {
      title: 'What they serve',
      panels: [
        lines({
          title: 'Served by outcome',
          description:
            'Requests of others. refused and crowdedOut are turned away, failed and omitted are yours to mend, abandoned and expired the client.',
          unit: 'reqps',
          queries: [ratesBy('outcome', 'lloom_rpc_served_total')],
          stacked: true,
        }),
        lines({
          title: 'Slots',
          description:
            'Requests that run, requests that wait, and slots. Waiting for minutes: add slots or executors, or raise the price.',
          unit: 'none',
          queries: [
            { expr: 'sum(lloom_rpc_slots{$}) - sum(lloom_rpc_free_slots{$})', legend: 'taken' },
            { expr: 'sum(lloom_rpc_queued_requests{$})', legend: 'waiting' },
            { expr: 'sum(lloom_rpc_slots{$})', legend: 'slots' },
          ],
        }),
        lines({
          title: 'Active requests',
          description:
            'Requests of others that are read, handled or answered. Level with the slots for long is full use.',
          unit: 'none',
          queries: [ofEach('lloom_rpc_active_requests')],
        }),
        lines({
          title: 'Wait for a slot',
          description:
            'From arrival to the start of the handler. Near 0 is normal; users see it as a late first token.',
          unit: 's',
          queries: quantiles('lloom_rpc_queue_seconds'),
        }),
        lines({
          title: 'Time to serve',
          description:
            'From arrival to the last byte. Rises with the length of answers, and with the load of the model behind the handler.',
          unit: 's',
          queries: quantiles('lloom_rpc_served_seconds'),
        }),
        lines({
          title: 'Tokens',
          description:
            'Tokens of answers, sent and received, per second. Falling with as many active requests: the model is overloaded.',
          unit: 'suffix: tok/s',
          queries: [ratesOfEach('lloom_rpc_tokens_total', 'direction')],
        }),
        heatmap({
          title: 'Spread of waits',
          description: 'How long requests waited for a slot. Everything in the lowest band is normal.',
          unit: 's',
          queries: [spread('lloom_rpc_queue_seconds')],
          width: 24,
        }),
      ],
    },
    {
      title: 'Processes (nodes with includeProcess)',
      panels: [
        lines({
          title: 'Event loop',
          description:
            'How late the event loop is, p99 since the last scrape; about 10 ms is its resolution. Beyond 100 ms take a CPU profile.',
          unit: 's',
          queries: [{ expr: 'nodejs_eventloop_lag_p99_seconds{$}', legend: '{{instance}}' }],
        }),
        lines({
          title: 'Memory',
          description:
            'Of the process and of the heap in it. Saw teeth are normal; lows that climb for hours are a leak, take heap snapshots.',
          unit: 'bytes',
          queries: [
            { expr: 'process_resident_memory_bytes{$}', legend: '{{instance}} resident' },
            { expr: 'nodejs_heap_size_used_bytes{$}', legend: '{{instance}} heap' },
          ],
        }),
        lines({
          title: 'Processor',
          description:
            'Share of one core. Near 100 % for minutes the node is at its end: move handlers out of the process, or add nodes.',
          unit: 'percentunit',
          queries: [{ expr: 'rate(process_cpu_seconds_total{$}[$__rate_interval])', legend: '{{instance}}' }],
        }),
        lines({
          title: 'Garbage collection',
          description: 'Share of time. Beyond 10 % the heap is too small for what is done.',
          unit: 'percentunit',
          queries: [
            {
              expr: 'sum by (instance) (rate(nodejs_gc_duration_seconds_sum{$}[$__rate_interval]))',
              legend: '{{instance}}',
            },
          ],
        }),
        lines({
          title: 'Open handles',
          description:
            'Sockets, timers and files of the process. It follows the connections; rising without them is a leak.',
          unit: 'none',
          queries: [{ expr: 'nodejs_active_handles_total{$}', legend: '{{instance}}' }],
        }),
        lines({
          title: 'Figures without a label',
          description:
            'How often something was counted under "other" since a family was full. 0 is normal; raise maxLabelSets.',
          unit: 'none',
          queries: [ofEach('lloom_metrics_label_sets_dropped_total')],
        }),
      ],
    },
  ],
});
