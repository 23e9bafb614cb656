import { eventsOf, marksOf } from './events.ts';
import {
  curveFigure,
  scatterFigure,
  timeFigure,
  type DrawnFigure,
  type PointGroup,
  type TimeContext,
  type TimeFigure,
} from './figure.ts';
import type { Dash, Glyph, Series, Tone } from './plot.ts';
import { timeAxis } from './scale.ts';
import type { ReportSample, SimulationReport } from './types.ts';
import { finite, shorten } from './words.ts';

/** The bounds of the lists that are drawn; the report's own are the same. */
const maxSamples = 600;
const maxRequests = 2_000;
const maxCurvePoints = 200;
/** Rates are taken over so many parts of the run: single samples hold too little to count. */
const maxRates = 30;

/** Every n-th of a list, its last one included. */
export function thinned<T>(list: readonly T[], max: number): readonly T[] {
  if (list.length <= max) return list;
  const step = Math.ceil(list.length / max);
  return list.filter((_, place) => (list.length - 1 - place) % step === 0);
}

/** The samples of a report in the order of time. */
export const samplesOf = ({ samples }: SimulationReport): readonly ReportSample[] =>
  thinned(
    samples.toSorted((a, b) => finite(a.atMs) - finite(b.atMs)),
    maxSamples,
  );

interface Line {
  readonly label: string;
  readonly tone: Tone;
  readonly dash: Dash;
  readonly step?: 'ahead' | 'behind';
  readonly of: (sample: ReportSample) => number | undefined;
}

const seriesOf = (samples: readonly ReportSample[], { of, ...line }: Line): Series => ({
  ...line,
  points: samples.map((sample) => {
    const value = of(sample);
    return [
      finite(sample.atMs),
      value === undefined || !Number.isFinite(value) ? undefined : Math.max(0, value),
    ];
  }),
});

/** How fast a count grows between samples, a second; at all samples the rate of the part that they lie in. */
function ratesOf(samples: readonly ReportSample[], { of, ...line }: Line): Series {
  const size = Math.max(1, Math.ceil((samples.length - 1) / maxRates));
  const points = samples.map(({ atMs }, place): [number, number | undefined] => {
    const from = Math.max(0, Math.floor((place - 1) / size) * size);
    const [first, last] = [samples[from], samples[Math.min(samples.length - 1, from + size)]];
    if (first === undefined || last === undefined) return [finite(atMs), undefined];
    const seconds = (finite(last.atMs) - finite(first.atMs)) / 1_000;
    const grown = finite(of(last)) - finite(of(first));
    return [finite(atMs), seconds > 0 ? Math.max(0, grown) / seconds : undefined];
  });
  return { ...line, points, step: 'behind' };
}

function timeFigures(samples: readonly ReportSample[]): readonly TimeFigure[] {
  const lines = (...all: Line[]): Series[] => all.map((line) => seriesOf(samples, line));
  const hasAsked = samples.some(({ asked }) => asked > 0);
  const asked = hasAsked ? samples : [];
  const noSamples = 'The network was never looked at.';
  const noRequests = 'No requests were asked.';
  const tooFew = 'The network was looked at less than twice.';
  const level = (sample: ReportSample): [number, number, number] => {
    const answered = Math.max(0, finite(sample.answered));
    const failed = answered + Math.max(0, finite(sample.failed));
    return [answered, failed, failed + Math.max(0, finite(sample.pending))];
  };
  return [
    {
      id: 'up',
      title: 'Nodes up',
      help: 'How many nodes run.',
      quantity: 'count',
      series: lines({ label: 'up', tone: 'good', dash: 0, step: 'ahead', of: ({ up }) => up }),
      empty: noSamples,
    },
    {
      id: 'links',
      title: 'Links',
      help: 'Pairs of nodes with a connection.',
      quantity: 'count',
      series: lines({ label: 'links', tone: 'blue', dash: 0, step: 'ahead', of: ({ links }) => links }),
      empty: noSamples,
    },
    {
      id: 'known',
      title: 'Who reaches and knows whom',
      help: 'Shares of nodes, of pairs of nodes, and of offers.',
      quantity: 'share',
      series: lines(
        { label: 'connected', tone: 'good', dash: 0, of: (sample) => sample.connectedShare },
        { label: 'discovered', tone: 'blue', dash: 1, of: (sample) => sample.discoveredShare },
        { label: 'offers seen', tone: 'amber', dash: 2, of: (sample) => sample.offersSeenShare },
      ),
      empty: noSamples,
    },
    {
      id: 'requests',
      title: 'Requests so far',
      help: 'Asked in all, by what became of them until then.',
      quantity: 'count',
      series: [],
      areas: [
        {
          label: 'answered',
          tone: 'good',
          points: asked.map((each) => [finite(each.atMs), 0, level(each)[0]]),
        },
        {
          label: 'failed',
          tone: 'bad',
          points: asked.map((each) => [finite(each.atMs), level(each)[0], level(each)[1]]),
        },
        {
          label: 'pending',
          tone: 'blue',
          points: asked.map((each) => [finite(each.atMs), level(each)[1], level(each)[2]]),
        },
      ],
      empty: noRequests,
    },
    {
      id: 'rates',
      title: 'Requests a second',
      help: 'How many are asked, and how many end.',
      quantity: 'rate',
      series: [
        ratesOf(asked, { label: 'asked', tone: 'blue', dash: 1, of: (sample) => sample.asked }),
        ratesOf(asked, { label: 'answered', tone: 'good', dash: 0, of: (sample) => sample.answered }),
        ratesOf(asked, { label: 'failed', tone: 'bad', dash: 2, of: (sample) => sample.failed }),
      ],
      empty: hasAsked ? tooFew : noRequests,
    },
    {
      id: 'pending',
      title: 'Requests pending',
      help: 'Asked, and not ended at that moment.',
      quantity: 'count',
      series: hasAsked
        ? lines({ label: 'pending', tone: 'blue', dash: 0, step: 'ahead', of: ({ pending }) => pending })
        : [],
      empty: noRequests,
    },
    {
      id: 'latency',
      title: 'Time to the whole answer',
      help: 'Of the requests answered since the sample before.',
      quantity: 'ms',
      series: lines(
        { label: 'p99', tone: 'amber', dash: 1, of: (sample) => sample.latencyP99Ms },
        { label: 'p50', tone: 'good', dash: 0, of: (sample) => sample.latencyP50Ms },
      ),
      empty: 'No requests were answered.',
    },
    {
      id: 'traffic',
      title: 'Traffic',
      help: 'Bytes that all nodes together sent, without headers.',
      quantity: 'bytes',
      series: [ratesOf(samples, { label: 'sent', tone: 'violet', dash: 0, of: ({ bytes }) => bytes })],
      empty: tooFew,
    },
  ];
}

const failureLooks: readonly (readonly [Tone, Glyph])[] = [
  ['bad', 'cross'],
  ['amber', 'triangle'],
  ['violet', 'square'],
  ['blue', 'diamond'],
];

/** Requests by outcome: the answered ones, the most frequent failures, and all other failures. */
function requestGroups({ requests }: SimulationReport): readonly PointGroup[] {
  const drawn = thinned(requests, maxRequests);
  const byOutcome = Map.groupBy(drawn, ({ outcome }) => outcome);
  const points = (outcomes: readonly string[]): [number, number][] =>
    outcomes.flatMap((outcome) =>
      (byOutcome.get(outcome) ?? []).map(({ atMs, latencyMs }): [number, number] => [
        finite(atMs),
        Math.max(0, finite(latencyMs)),
      ]),
    );
  const failures = [...byOutcome]
    .filter(([outcome]) => outcome !== 'answered')
    .toSorted(([a, some], [b, others]) => others.length - some.length || (a < b ? -1 : 1))
    .map(([outcome]) => outcome);
  const named = failures.slice(0, failureLooks.length);
  const rest = failures.slice(failureLooks.length);
  const groups: PointGroup[] = [
    { label: 'answered', tone: 'good', glyph: 'dot', points: points(['answered']) },
    ...named.map((outcome, place): PointGroup => {
      const [tone, glyph] = failureLooks[place] ?? ['bad', 'cross'];
      return { label: shorten(outcome, 28), tone, glyph, points: points([outcome]) };
    }),
    { label: 'other failures', tone: 'bad', glyph: 'plus', points: points(rest) },
  ];
  return groups.filter((group) => group.points.length > 0);
}

/** The pictures of a report. */
export interface Charts {
  readonly overTime: readonly DrawnFigure[];
  readonly curves: readonly DrawnFigure[];
}

/** Draws all pictures but that of the topology. */
export function chartsOf(report: SimulationReport): Charts {
  const samples = samplesOf(report);
  const context: TimeContext = { time: timeAxis(report.durationMs), marks: marksOf(eventsOf(report)) };
  const figures = timeFigures(samples).map((figure) => timeFigure(figure, context));
  const { leftOut, requests } = report;
  const scatter = scatterFigure(
    {
      id: 'each',
      title: 'Each request',
      help:
        leftOut.requests > 0 || requests.length > maxRequests
          ? 'When it was asked, and how long until it ended. A part of all, evenly drawn.'
          : 'When it was asked, and how long until it ended.',
      groups: requestGroups(report),
      empty: 'No request has ended.',
    },
    context,
  );
  return {
    overTime: [...figures.slice(0, -1), scatter, ...figures.slice(-1)],
    curves: [
      curveFigure({
        id: 'request-curve',
        title: 'Answers within a time',
        help: 'Share of the answered requests that took at most so long.',
        points: thinned(report.requestLatency, maxCurvePoints),
        tone: 'good',
        empty: 'No requests were answered.',
      }),
      curveFigure({
        id: 'gossip-curve',
        title: 'Reach of a message',
        help: 'Share of the nodes that have got a message so long after its publishing.',
        points: thinned(report.gossipReach, maxCurvePoints),
        tone: 'violet',
        empty: 'No messages were published.',
      }),
    ],
  };
}
