import type { NodeRole } from '../src/types.ts';
import type {
  CurvePoint,
  ReportRequest,
  ReportSample,
  SimulationReport,
  TopologyFrame,
} from '../src/report/types.ts';

/** Chance that is the same every time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const none = { count: 0, p50: 0, p90: 0, p99: 0, max: 0 };

/** A run in which nothing was spawned and nothing happened. */
export const emptyReport: SimulationReport = {
  version: 1,
  name: 'simulation',
  description: '',
  seed: 1,
  fidelity: 'fast',
  network: 'a perfect link',
  durationMs: 0,
  traceHash: '0'.repeat(64),
  traceLength: 0,
  traceTail: [],
  metrics: {
    elapsedMs: 0,
    nodes: { spawned: 0, up: 0 },
    links: 0,
    connectedShare: 0,
    discoveredShare: 0,
    requests: {
      asked: 0,
      pending: 0,
      answered: 0,
      failed: 0,
      failures: {},
      latencyMs: none,
      firstTokenMs: none,
      executions: 0,
      duplicateExecutions: 0,
      overbilled: 0,
      spent: '0',
    },
    gossip: { published: 0, delivered: 0, reach: 0, latencyMs: none, duplicates: 0 },
    traffic: { bytes: 0, segments: 0, lostSegments: 0, dials: 0 },
  },
  nodes: [],
  timeline: [],
  samples: [],
  topology: [],
  gossipReach: [],
  requestLatency: [],
  requests: [],
  properties: [],
  leftOut: { timeline: 0, requests: 0 },
};

const peerId = (place: number): string =>
  `12D3KooW${place.toString(36).padStart(4, 'A')}${'FQ7vPn2sYtUeR8mKjH4dLcXbZ9aWg3oT5iN6yVpDqMsJ'.slice(0, 40)}`;

const regions = ['europe', 'us-east', 'india', 'oceania'] as const;

/** The places of the nodes of one half, cut off from the others. */
const isCut = (atMs: number): boolean => atMs >= 40_000 && atMs < 70_000;
/** Nodes that are down. */
const isDown = (place: number, atMs: number): boolean =>
  (place === 5 || place === 6) && atMs >= 85_000 && atMs < 100_000;

function frameAt(atMs: number, nodes: number, random: () => number): TopologyFrame {
  const up = Array.from({ length: nodes }, (_, place) => place).filter((place) => !isDown(place, atMs));
  const density = Math.min(1, atMs / 10_000) * Math.min(0.5, 12 / nodes);
  const links: [number, number][] = [];
  for (const a of up) {
    for (const b of up) {
      if (a >= b || (isCut(atMs) && a % 2 !== b % 2)) continue;
      if (a === 0 || random() < density) links.push([a, b]);
    }
  }
  return { atMs, up, links };
}

const outcomes = [
  'answered',
  'answered',
  'answered',
  'answered',
  'answered',
  'TIMEOUT',
  'UNREACHABLE',
  'BUSY',
];

function requestsOf(count: number, durationMs: number, random: () => number): ReportRequest[] {
  return Array.from({ length: count }, () => {
    const atMs = Math.round(random() * durationMs * 0.94);
    const outcome = isCut(atMs)
      ? (outcomes[Math.floor(random() * outcomes.length)] ?? 'answered')
      : 'answered';
    const latencyMs =
      outcome === 'TIMEOUT' ? 30_000 : 600 + 400 * random() - 900 * Math.log(1 - random() * 0.99);
    return { atMs, latencyMs: Math.round(latencyMs), outcome };
  });
}

function samplesOf(requests: readonly ReportRequest[], nodes: number, durationMs: number): ReportSample[] {
  let bytes = 0;
  return Array.from({ length: Math.floor(durationMs / 1_000) + 1 }, (_, second) => {
    const atMs = second * 1_000;
    const asked = requests.filter((request) => request.atMs <= atMs);
    const ended = asked.filter((request) => request.atMs + request.latencyMs <= atMs);
    const answered = ended.filter(({ outcome }) => outcome === 'answered');
    const fresh = answered
      .filter((request) => request.atMs + request.latencyMs > atMs - 1_000)
      .map(({ latencyMs }) => latencyMs)
      .toSorted((a, b) => a - b);
    bytes += nodes * (second < 8 ? 9_000 : isCut(atMs) ? 1_200 : 2_400) + asked.length * 3;
    const up = Array.from({ length: nodes }).filter((__, place) => !isDown(place, atMs)).length;
    const grown = Math.min(1, second / 9);
    return {
      atMs,
      up,
      links: Math.round(grown * nodes * 2.6 * (isCut(atMs) ? 0.55 : 1)),
      connectedShare: isCut(atMs) ? 0.5 : Math.min(1, second / 3),
      discoveredShare: grown,
      offersSeenShare: isCut(atMs + 3_000) ? 0.62 : Math.min(1, second / 12),
      asked: asked.length,
      answered: answered.length,
      failed: ended.length - answered.length,
      pending: asked.length - ended.length,
      ...(fresh.length > 0 && {
        latencyP50Ms: fresh[Math.floor(fresh.length / 2)] ?? 0,
        latencyP99Ms: fresh.at(-1) ?? 0,
      }),
      bytes,
    };
  });
}

function curve(values: readonly number[], maxPoints = 200): CurvePoint[] {
  const sorted = values.toSorted((a, b) => a - b);
  const step = Math.max(1, Math.ceil(sorted.length / (maxPoints - 1)));
  return sorted
    .flatMap((value, place): CurvePoint[] =>
      place % step === 0 || place === sorted.length - 1 ? [[value, (place + 1) / sorted.length]] : [],
    )
    .slice(-maxPoints);
}

/** A partition that heals and two crashes, in a network of some nodes: figures like those of real runs. */
export function partitionReport(nodeCount = 16, overrides: Partial<SimulationReport> = {}): SimulationReport {
  const random = chance(7);
  const durationMs = 120_000;
  const role = (place: number): NodeRole =>
    place < nodeCount * 0.07
      ? 'relay'
      : place < nodeCount * 0.2
        ? 'validator'
        : place < nodeCount * 0.6
          ? 'executor'
          : 'client';
  const numbers = new Map<NodeRole, number>();
  const nodes = Array.from({ length: nodeCount }, (_, place) => {
    const number = numbers.get(role(place)) ?? 0;
    numbers.set(role(place), number + 1);
    const region = regions[place % regions.length] ?? 'europe';
    return { name: `${role(place)[0]}${number}`, role: role(place), region, peerId: peerId(place) };
  });
  const requests = requestsOf(400, durationMs, random);
  const samples = samplesOf(requests, nodeCount, durationMs);
  const answered = requests.filter(({ outcome }) => outcome === 'answered').map(({ latencyMs }) => latencyMs);
  const sorted = answered.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const failures = Object.fromEntries(
    ['TIMEOUT', 'UNREACHABLE', 'BUSY'].map((code) => [
      code,
      requests.filter(({ outcome }) => outcome === code).length,
    ]),
  );
  const latencyMs = { count: answered.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
  const delays = Array.from({ length: 900 }, () => 40 + 150 * random() + 90 * random() * random());
  return {
    version: 1,
    name: 'partition',
    description:
      'Half of the marketplace is cut off for half a minute. Clients go on with the executors that they still reach, and everybody finds everybody again.',
    seed: 42,
    fidelity: 'fast',
    network: 'global: regions all over the planet, each pair with its own delay',
    durationMs,
    traceHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    traceLength: 48_211,
    traceTail: Array.from(
      { length: 60 },
      (_, place) => `119.${place + 100} s  e${place % 6} > c${place % 4}  segment ${700 + place} bytes`,
    ),
    metrics: {
      elapsedMs: durationMs,
      nodes: { spawned: nodeCount, up: nodeCount },
      links: samples.at(-1)?.links ?? 0,
      connectedShare: 1,
      discoveredShare: 0.987,
      requests: {
        asked: requests.length,
        pending: requests.length - answered.length - Object.values(failures).reduce((a, b) => a + b, 0),
        answered: answered.length,
        failed: Object.values(failures).reduce((a, b) => a + b, 0),
        failures,
        latencyMs,
        firstTokenMs: { ...latencyMs, p50: 312, p99: 1_204 },
        executions: 402,
        duplicateExecutions: 0,
        overbilled: 0,
        spent: '18240',
      },
      gossip: {
        published: 120,
        delivered: 1_740,
        reach: 0.934,
        latencyMs: { count: 1_740, p50: 118, p90: 190, p99: 240, max: 262 },
        duplicates: 2_120,
      },
      traffic: { bytes: samples.at(-1)?.bytes ?? 0, segments: 61_204, lostSegments: 312, dials: 140 },
    },
    nodes,
    timeline: [
      {
        atMs: 0,
        kind: 'load',
        text: 'load0: 3.3 requests a second from all clients',
        nodes: [],
        untilMs: 120_000,
      },
      {
        atMs: 40_000,
        untilMs: 70_000,
        kind: 'partition',
        text: 'nodes with even numbers are cut off from the others',
        nodes: ['v0', 'e1', 'e3', 'c0', 'c2'],
      },
      { atMs: 78_000, kind: 'pricing', text: 'e0 asks 3 wei inbound, 6 wei outbound', nodes: ['e0'] },
      { atMs: 85_000, untilMs: 100_000, kind: 'crash', text: 'crash without a goodbye', nodes: ['e1', 'e2'] },
      { atMs: 100_000, kind: 'restart', text: 'restart with what the disk held', nodes: ['e1', 'e2'] },
    ],
    samples,
    topology: Array.from({ length: 60 }, (_, place) =>
      frameAt(Math.round((place * durationMs) / 59), nodeCount, random),
    ),
    gossipReach: curve(delays).map(([x, share]) => [x, share * 0.934]),
    requestLatency: curve(answered),
    requests,
    properties: [
      {
        what: 'every node is in the network again 30 s after the partition',
        when: 'eventually',
        holds: true,
        isDecided: true,
        atMs: 71_000,
        detail: 'connectedShare is 1, wanted at least 1 by 100 s',
      },
      {
        what: 'nobody pays more than was offered',
        when: 'always',
        holds: true,
        isDecided: true,
        atMs: 120_000,
        detail: 'overbilled is 0, wanted at most 0',
      },
      {
        what: 'nine of ten requests are answered',
        when: 'finally',
        holds: true,
        isDecided: true,
        atMs: 120_000,
        detail: 'answeredShare is 0.91, wanted at least 0.9',
      },
    ],
    leftOut: { timeline: 0, requests: 0 },
    ...overrides,
  };
}

/** Would break out of every place where it is put unless it is escaped, and would be seen if it ran. */
export const hostile =
  `"'><script>globalThis.wasRun=1</script><img src=x onerror="globalThis.wasRun=1"></title></style></script>` +
  '<svg onload=globalThis.wasRun=1>&amp;\u202eabc\u0000\u001b[31m\ud800`${7*7}`';

/** Hostile text wherever a report holds text. */
export function hostileReport(): SimulationReport {
  const report = partitionReport(8);
  const lines = Array.from({ length: 50 }, () => hostile);
  return {
    ...report,
    name: hostile,
    description: hostile,
    network: hostile,
    traceHash: hostile,
    traceTail: lines,
    nodes: report.nodes.map((node) => ({ ...node, name: hostile, peerId: hostile })),
    timeline: report.timeline.map((event) => ({ ...event, text: hostile, nodes: [hostile] })),
    requests: report.requests.map((request) => ({
      ...request,
      outcome: request.outcome === 'BUSY' ? hostile : request.outcome,
    })),
    properties: report.properties.map((property) => ({
      ...property,
      what: hostile,
      detail: hostile,
      holds: false,
      isDecided: true,
    })),
    metrics: {
      ...report.metrics,
      requests: { ...report.metrics.requests, failures: { [hostile]: 3 }, spent: hostile },
    },
  };
}

/** Every list at its bound or far beyond it, of hostile text. */
export function biggestReport(): SimulationReport {
  const report = partitionReport(200);
  const random = chance(3);
  const many = <T>(count: number, make: (place: number) => T): T[] =>
    Array.from({ length: count }, (_, place) => make(place));
  const pairs = report.nodes.flatMap((_, a) =>
    many(report.nodes.length - a - 1, (b): [number, number] => [a, a + b + 1]),
  );
  const long = hostile.repeat(20);
  return {
    ...report,
    name: long,
    description: long,
    network: long,
    durationMs: 599_000,
    traceTail: many(1_000, () => long),
    nodes: report.nodes.map((node) => ({ ...node, name: `${node.name}${long}`, peerId: long })),
    timeline: many(1_000, (place) => ({
      atMs: place * 500,
      untilMs: place * 500 + 20_000,
      kind: place % 3 === 0 ? 'partition' : 'crash',
      text: long,
      nodes: many(200, () => long),
    })),
    samples: many(600, (place) => ({
      atMs: place * 1_000 - 0.123,
      up: Math.round(random() * 200),
      links: Math.round(random() * 19_900),
      connectedShare: random(),
      discoveredShare: random(),
      offersSeenShare: random(),
      asked: 123_456 * place,
      answered: 100_000 * place,
      failed: 20_000 * place,
      pending: 3_456 * place,
      latencyP50Ms: random() * 9_999,
      latencyP99Ms: random() * 99_999,
      bytes: place * 1e9 * random(),
    })),
    topology: many(60, (place) => ({
      atMs: place * 10_000,
      up: report.nodes.map((_, each) => each),
      links: pairs,
    })),
    gossipReach: many(200, (place) => [place * 1.234_567, place / 199]),
    requestLatency: many(200, (place) => [place * 123.456_7, place / 199]),
    requests: many(2_000, (place) => ({
      atMs: random() * 599_000,
      latencyMs: random() * 30_000,
      outcome: place % 2 === 0 ? 'answered' : `${long}${place}`,
    })),
    properties: many(1_000, (place) => ({
      what: long,
      when: 'always',
      holds: place % 2 === 0,
      isDecided: true,
      atMs: place,
      detail: long,
    })),
    leftOut: { timeline: 5_000, requests: 100_000 },
  };
}
