// What operators get: a Prometheus reads two nodes under load, with the dashboards and the rules that are shipped.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { encodeGossipMessage } from '@lloom/codec';
import type { Gossip } from '@lloom/gossip';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GossipTopic, Identity, LloomBehaviour, type NetworkConfig } from '../src/index.ts';
import { failure, offer, question } from './nodes.ts';
import { hasPrometheus, panelQueries, Prometheus, rulesText, skipped } from './prometheus.ts';

const token = 'a-token-of-this-test-alone';
const patience = { timeout: 20_000, interval: 100 };
/** Over what rates are taken: some scrapes. */
const windowText = '1500ms';
const price = {
  type: 'priceUpdate',
  model: 'demo-small',
  newPrice: offer.pricing,
  effectiveAt: 1,
} as const;

/** How long an event loop is held up when LloomEventLoopBlocked fires; and by how much two measures of it differ. */
const [blockedMs, lagErrorMs] = [250, 20];

/** What is told of minutes becomes what is told of moments. */
const shortened = (text: string): string =>
  text
    .replaceAll(/\[\d+[mhd]\]/g, `[${windowText}]`)
    .replaceAll(/^( +for: ).*$/gm, '$1250ms')
    .replaceAll('$__rate_interval', windowText)
    .replaceAll(/\$(?:job|instance|node)\b/g, '.*');

if (!hasPrometheus) process.stdout.write(`${skipped}\n`);

describe.skipIf(!hasPrometheus)('a Prometheus that reads two nodes', () => {
  const identities = { executor: Identity.generate(), client: Identity.generate() };
  let executor: LloomBehaviour;
  let client: LloomBehaviour;
  let prometheus: Prometheus;
  /** How long this process, and so each node in it, was held up. */
  const lag = monitorEventLoopDelay();
  /** While it is pending the executor answers nothing. */
  let isFree = Promise.resolve();

  const start = (identity: Identity, config: NetworkConfig = {}) =>
    LloomBehaviour.create(identity, {
      addressPolicy: 'loopback',
      ...config,
      packages: { gossip: { degradedAfterMs: 500 }, ...config.packages },
    });
  const addressesOf = (node: LloomBehaviour) =>
    node.listenedAddresses().map((address) => `${address}/p2p/${node.peerId}`);

  beforeAll(async () => {
    const metrics = { includeProcess: true };
    executor = await start(identities.executor, { packages: { metrics, rpc: { capacity: 1 } } });
    client = await start(identities.client, { bootstrapPeers: addressesOf(executor) });
    executor.serve(async function* () {
      await isFree;
      yield 'an answer';
      yield { inboundTokens: 1, totalCost: '1' };
    });
    await client.bootstrap();
    for (const node of [executor, client]) await node.subscribeTopic(GossipTopic.PriceUpdates);
    await executor.advertiseService(offer);
    lag.enable();
    const endpoints = await Promise.all([executor, client].map((node) => node.serveMetrics({ token })));
    prometheus = await Prometheus.start({
      targets: endpoints.map(({ url }) => new URL(url).host),
      token,
      rules: shortened(rulesText()),
      interval: '250ms',
    });
  });

  afterAll(async () => {
    lag.disable();
    await Promise.all([prometheus?.stop(), client?.stop({ drainMs: 0 }), executor?.stop({ drainMs: 0 })]);
  });

  const ask = async () =>
    client.stream(executor.peerId, await question(identities.client, executor.peerId)).result;

  /** What nodes do all day. */
  async function work(): Promise<void> {
    await Promise.all([
      ask(),
      client.findModelProviders('demo-small'),
      client.publishMessage(GossipTopic.PriceUpdates, price),
      executor.publishMessage(GossipTopic.PriceUpdates, price),
    ]);
  }

  /** The names of the alerts that fire. */
  async function firing(): Promise<string[]> {
    const alerts = await prometheus.alerts();
    return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels['alertname']!);
  }

  test('both are scraped, with the token', async () => {
    // A Prometheus looks at its targets for the first time after five seconds.
    const up = async () => (await prometheus.query('up')).map(({ value }) => value[1]);
    await expect.poll(up, patience).toEqual(['1', '1']);
  });

  test('every panel of every dashboard has something to show', async () => {
    const queries = panelQueries();
    const wrong = async () => {
      await work();
      const answers = await Promise.all(queries.map(async ({ expr }) => prometheus.query(shortened(expr))));
      return queries.filter(({ labels }, index) => {
        const samples = answers[index]!;
        const hasLabels = samples.every(({ metric }) =>
          labels.every((label) => label === 'node' || label in metric),
        );
        return !hasLabels || samples.every(({ value }) => value[1] === 'NaN');
      });
    };
    expect(queries.length).toBeGreaterThan(100);
    await expect.poll(wrong, patience).toEqual([]);
  });

  test('every rule is evaluated without an error, and what alerts compare is always there', async () => {
    const rules = await prometheus.rules();
    const alerts = rules.filter(({ type }) => type === 'alerting');
    expect(alerts.length).toBeGreaterThan(25);
    const empty = async () => {
      await work();
      const evaluated = await prometheus.rules();
      const unwell = evaluated.filter(({ health }) => health !== 'ok');
      const compared = alerts.map(({ query }) => query.replace(/ [<>] [\d.e+]+$/, ''));
      const answers = await Promise.all(compared.map(async (expr) => prometheus.query(expr)));
      return [...unwell, ...compared.filter((_, index) => answers[index]!.length === 0)];
    };
    await expect.poll(empty, patience).toEqual([]);
  });

  test('nothing has fired while all is well', async () => {
    // As long as an alert takes, and as rates look back.
    const scrapes = async () => {
      await work();
      const [counted] = await prometheus.query('min(count_over_time(up[1m]))');
      return Number(counted?.value[1]);
    };
    await expect.poll(scrapes, patience).toBeGreaterThanOrEqual(8);
    // Before the first scrape there are no nodes; what memory does in seconds says nothing of hours; and a busy machine may not
    // answer within a scrape's time, or hold the nodes up: that is told of rightly, and only where it is so.
    const wasHeldUp = lag.max / 1_000_000 > blockedMs - lagErrorMs;
    const expected = `LloomNoNodes|LloomMemoryGrowing|LloomNodeDown${wasHeldUp ? '|LloomEventLoopBlocked' : ''}`;
    const alerts = `ALERTS{alertstate="firing", alertname!~"${expected}"}`;
    const fired = await prometheus.query(`count_over_time(${alerts}[1m])`);
    expect(fired.map(({ metric }) => [metric['alertname'], metric['instance']])).toEqual([]);
  });

  test('more requests than slots: the executor is said to be saturated', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    isFree = promise;
    const answers = Promise.all(Array.from({ length: 4 }, ask));
    await expect.poll(firing, patience).toContain('LloomExecutorSaturated');
    resolve();
    await answers;
  });

  test('messages in the name of another: they are said to be forged', async () => {
    const forger = await start(Identity.generate());
    try {
      await forger.dialPeer(executor.peerId, executor.listenedAddresses());
      await forger.subscribeTopic(GossipTopic.PriceUpdates);
      const { gossip } = forger.libp2p.services as unknown as { readonly gossip: Gossip };
      await expect.poll(() => forger.topicPeers(GossipTopic.PriceUpdates), patience).not.toEqual([]);
      const forge = async (sequence: number) => {
        const message = { ...price, peerId: client.peerId, timestampMs: Date.now(), sequence };
        await gossip.pubsub.publish(GossipTopic.PriceUpdates, encodeGossipMessage(message));
      };
      for (let sequence = 1; sequence <= 5; sequence++) await forge(sequence);
      await expect.poll(firing, patience).toContain('LloomGossipForged');
    } finally {
      await forger.stop({ drainMs: 0 });
    }
  });

  test('an executor that is gone: its target is down, its client is alone and its requests fail', async () => {
    await executor.stop({ drainMs: 0 });
    const failing = async () => {
      await failure(ask());
      return firing();
    };
    await expect
      .poll(failing, patience)
      .toEqual(
        expect.arrayContaining([
          'LloomNodeDown',
          'LloomIsolated',
          'LloomMeshEmpty',
          'LloomRequestsFailing',
          'LloomMostRequestsFailing',
        ]),
      );
    const alerts = await prometheus.alerts();
    const down = alerts.find(({ labels }) => labels['alertname'] === 'LloomNodeDown');
    expect(down?.annotations['summary']).toBe(`${down?.labels['instance']} does not answer Prometheus`);
  });
});
