import { expect, test } from 'vitest';
import type { PricingInfo } from '@lloom/behaviour';
import type { HostBandwidth, LinkConfig } from '@lloom/simkit';
import schema from '../../schemas/scenario.v1.json' with { type: 'json' };
import type { MeasureFilter, MeasureName } from '../measures.ts';
import type { ChurnConfig, GossipLoadConfig, LoadConfig } from '../types.ts';
import { parseScenario } from './load.ts';
import type {
  Scenario,
  ScenarioEvent,
  ScenarioGroup,
  ScenarioNodeConfig,
  ScenarioProperty,
} from './types.ts';

// Each of these has every field of its type: a field more or less does not compile.
type Whole<T> = T extends unknown ? Required<T> : never;

const pricing: Whole<PricingInfo> = { inboundPrice: '3', outboundPrice: '4' };
const bandwidth: Whole<HostBandwidth> = {
  uploadBytesPerSecond: 1_000_000,
  downloadBytesPerSecond: 2_000_000,
};
const link: Whole<LinkConfig> = {
  delayMs: 20,
  jitterMs: 2,
  lossRatio: 0.01,
  lossBurstSegments: 3,
  bandwidthBytesPerSecond: 1_000_000,
  breakAfterMs: 10_000,
};
const config: Whole<ScenarioNodeConfig> = {
  addressPolicy: 'lan',
  kadProtocol: '/lloom/kad/1.0.0',
  kadReplicationFactor: 20,
  kadQueryTimeoutMs: 60_000,
  gossipsubConfig: { heartbeatIntervalMs: 1_000, validationMode: 'strict' },
  requestTimeoutMs: 120_000,
  maxRequestSizeBytes: 1_048_576,
  maxConnections: 200,
  maxConnectionsPerPeer: 3,
  enableMdns: false,
  enableAutonat: false,
  enableRelay: true,
  enableMetrics: true,
  discoveryIntervalMs: 300_000,
  chainId: 1,
  packages: { rpc: {}, peers: {}, discovery: {}, gossip: {}, nat: {}, metrics: {} },
};
const alike = { count: 2, atMs: 0, region: 'europe', bandwidth, config } as const;
const groups: readonly Whole<ScenarioGroup>[] = [
  {
    ...alike,
    role: 'executor',
    group: 'seller',
    models: ['demo-small'],
    capacity: 4,
    announcedCapacity: 64,
    queue: 8,
    pricing,
    thinkMs: 200,
    tokenMs: 20,
    conduct: 'serves',
  },
  { ...alike, role: 'client', group: 'buyer' },
  { ...alike, role: 'validator', group: 'watch', stake: '1' },
  { ...alike, role: 'relay', group: 'relay' },
];
const network: Whole<NonNullable<Scenario['network']>> = {
  networkDelayMs: 50,
  packetLoss: 0.01,
  jitterMs: 5,
  link: 'global',
  regions: { europe: { 'us-east': 45, moon: link }, moon: { moon: 1 } },
  fidelity: 'fast',
  topology: [['buyer0', 'relay0']],
  node: config,
  sampleIntervalMs: 1_000,
};
const load: Whole<LoadConfig> = {
  name: 'steady',
  from: 'buyer',
  model: 'demo-small',
  requestsPerSecond: 2,
  fromMs: 0,
  untilMs: 50_000,
  answerTokens: 20,
  maxPrice: '1000',
  prefer: 'price',
  timeoutMs: 30_000,
  maxAttempts: 3,
};
const gossip: Whole<GossipLoadConfig> = { from: ['watch'], intervalMs: 1_000, fromMs: 0, untilMs: 50_000 };
const churn: Whole<ChurnConfig> = {
  nodes: ['seller0'],
  meanUpMs: 60_000,
  meanDownMs: 10_000,
  isSilent: true,
  fromMs: 0,
  untilMs: 50_000,
};
const atMs = 1_000;
const events: readonly Whole<ScenarioEvent>[] = [
  { atMs, type: 'partition', groups: ['seller', ['buyer', 'watch']] },
  { atMs, type: 'partitionOneWay', from: 'seller', to: 'buyer' },
  { atMs, type: 'heal' },
  { atMs, type: 'hold', between: ['seller0', 'buyer0'] },
  { atMs, type: 'release', between: ['seller0', 'buyer0'] },
  { atMs, type: 'link', between: ['seller', ['buyer0']], link },
  { atMs, type: 'crash', nodes: 'seller', isSilent: true },
  { atMs, type: 'restart', nodes: 'seller', datastore: 'empty' },
  { atMs, type: 'pricing', executors: 'seller', pricing },
];
const filter: Whole<MeasureFilter> = {
  load: 'steady',
  fromMs: 0,
  untilMs: 50_000,
  executors: 'seller',
  percentile: 90,
};
const property: Whole<ScenarioProperty> = {
  what: 'Sellers answer',
  when: 'eventually',
  withinMs: 50_000,
  fromMs: 1_000,
  measure: 'answersShare',
  of: { load: 'steady', fromMs: 0, untilMs: 50_000, executors: 'seller' },
  atLeast: 0.5,
  atMost: 1,
  minCount: 10,
};
const scenario: Whole<Scenario> = {
  $schema: 'https://github.com/lloom/lloom-ts/schemas/scenario.v1.json',
  version: 1,
  name: 'everything',
  description: 'Uses every field there is.',
  durationMs: 60_000,
  seed: 7,
  network,
  nodes: groups,
  load: [load],
  gossip: [gossip],
  churn: [churn],
  events,
  properties: [property],
};

test('takes a scenario that uses every field, and it is one', () => {
  expect(parseScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
});

const { $defs } = schema;
const fieldsOf = (one: { readonly properties: object }): string[] => Object.keys(one.properties).toSorted();

test.each<[string, { readonly properties: object }, object]>([
  ['scenario', schema, scenario],
  ['network', $defs.network, network],
  ['node configuration', $defs.nodeConfig, config],
  ['link', $defs.link, link],
  ['pricing', $defs.pricing, pricing],
  ['bandwidth', $defs.bandwidth.anyOf[1] as { properties: object }, bandwidth],
  ['load', $defs.load, load],
  ['gossip', $defs.gossip, gossip],
  ['churn', $defs.churn, churn],
  ['property', $defs.property, property],
  ['filter', $defs.property.properties.of, filter],
  ...groups.map(
    (one, index) => [one.role, $defs.group.oneOf[index]!, one] as [string, { properties: object }, object],
  ),
  ...events.map(
    (one, index) => [one.type, $defs.event.oneOf[index]!, one] as [string, { properties: object }, object],
  ),
])('has the fields of a %s, and no others', (_name, described, whole) => {
  expect(fieldsOf(described)).toEqual(Object.keys(whole).toSorted());
});

test('knows every measure', () => {
  const measures: Record<MeasureName, true> = {
    connectedShare: true,
    discoveredShare: true,
    offersSeenShare: true,
    staleOffers: true,
    answeredShare: true,
    pending: true,
    failed: true,
    latencyMs: true,
    firstTokenMs: true,
    answersShare: true,
    paidPerToken: true,
    duplicateExecutions: true,
    overbilled: true,
    endedTwice: true,
    gossipReach: true,
    bytesPerNodeSecond: true,
  };
  expect($defs.measure.oneOf.map((one) => one.const)).toEqual(Object.keys(measures));
});

test('describes each field, for editors', () => {
  const nameless: string[] = [];
  const visit = (value: unknown, place: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const { type, properties = {} } = value as { readonly type?: unknown; readonly properties?: object };
    for (const [name, field] of type === 'object' ? Object.entries(properties) : []) {
      if (!Object.hasOwn(field as object, 'description')) nameless.push(`${place}.${name}`);
    }
    for (const [name, inner] of Object.entries(value)) visit(inner, `${place}.${name}`);
  };
  visit(schema, '');
  expect(nameless).toEqual([]);
});
