import type { PropertyResult, ReportConfig, SimulationReport, TimelineEvent } from './types.ts';
import {
  bytesText,
  counted,
  durationText,
  finite,
  numberText,
  readable,
  repeatCommand,
  shareText,
  shorten,
  verdictsOf,
  weiText,
} from './words.ts';

const maxWidth = 100;
const maxProperties = 50;
const maxEvents = 20;
const maxFailures = 10;

const line = (text: string, maxLength: number): string => shorten(readable(text), maxLength);

/** A text as lines of at most some characters, broken between words where there are any. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = Array.from(text);
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > width / 2 ? space : width;
    lines.push(rest.slice(0, end).join(''));
    rest = rest.slice(rest[end] === ' ' ? end + 1 : end);
  }
  return [...lines, rest.join('')];
}

/** Rows with aligned columns; the last column takes what is left, and goes on below itself. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? [])
    .slice(0, -1)
    .map((_, column) => Math.max(...rows.map((row) => Array.from(row[column] ?? '').length)));
  const indent = widths.reduce((sum, width) => sum + width + 2, 2);
  return rows.flatMap((row) => {
    const head = widths.map((width, column) => pad(row[column] ?? '', width)).join('  ');
    const [first = '', ...more] = wrapped(row.at(-1) ?? '', maxWidth - indent);
    return [`  ${head}  ${first}`.trimEnd(), ...more.map((text) => `${' '.repeat(indent)}${text}`)];
  });
}

const pad = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - Array.from(text).length));

function figures({ metrics, durationMs, nodes: all }: SimulationReport): (readonly string[])[] {
  const { nodes, requests, gossip, traffic } = metrics;
  const ended = requests.answered + requests.failed;
  const failures = Object.entries(requests.failures)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, maxFailures)
    .map(([code, count]) => `${line(code, 30)} ${numberText(count)}`);
  return [
    ['time', `${durationText(durationMs)} of virtual time`],
    [
      'nodes',
      `${numberText(nodes.up)} of ${numberText(Math.max(nodes.spawned, all.length))} up, ${counted(metrics.links, 'link')}, ` +
        `${shareText(metrics.connectedShare)} connected, ${shareText(metrics.discoveredShare)} know each other`,
    ],
    [
      'requests',
      requests.asked === 0
        ? 'none asked'
        : `${numberText(requests.asked)} asked, ${numberText(requests.answered)} answered` +
          `${ended === 0 ? '' : ` (${shareText(requests.answered / ended)} of those ended)`}, ` +
          `${numberText(requests.failed)} failed, ${numberText(requests.pending)} pending`,
    ],
    ...(failures.length === 0 ? [] : [['failures', failures.join(', ')]]),
    ...(requests.latencyMs.count === 0
      ? []
      : [
          [
            'latency',
            `p50 ${durationText(requests.latencyMs.p50)}, p99 ${durationText(requests.latencyMs.p99)}; ` +
              `first token p50 ${durationText(requests.firstTokenMs.p50)}`,
          ],
        ]),
    ...(requests.executions === 0
      ? []
      : [
          [
            'work',
            `${counted(requests.executions, 'execution')}, ${counted(requests.duplicateExecutions, 'run')} of a question already taken; ` +
              `${numberText(requests.overbilled)} billed too high; ${weiText(requests.spent)} spent`,
          ],
        ]),
    [
      'gossip',
      gossip.published === 0
        ? 'nothing published'
        : `${counted(gossip.published, 'message')}, reach ${shareText(gossip.reach)}, p50 ${durationText(gossip.latencyMs.p50)}, ` +
          `p99 ${durationText(gossip.latencyMs.p99)}`,
    ],
    [
      'traffic',
      `${bytesText(traffic.bytes)} in ${counted(traffic.segments, 'segment')}, ${numberText(traffic.lostSegments)} lost; ` +
        counted(traffic.dials, 'dial'),
    ],
  ];
}

function properties(all: readonly PropertyResult[]): string[] {
  if (all.length === 0) return ['Properties: none'];
  const { failed, open, held } = verdictsOf(all);
  const shown = [...failed, ...open, ...held].slice(0, maxProperties);
  const notDecided = open.length === 0 ? '' : `, ${open.length} not decided`;
  const holding = open.length === 0 ? `all ${all.length} hold` : `${held.length} of ${all.length} hold`;
  const verdict = failed.length === 0 ? holding : `${failed.length} of ${all.length} failed`;
  const rows = shown.map(({ what, holds, isDecided, atMs, detail }) => [
    isDecided ? (holds ? 'ok' : 'FAIL') : 'not decided',
    durationText(atMs),
    `${line(what, 200)}${detail === '' ? '' : `: ${line(detail, 400)}`}`,
  ]);
  const left = all.length - shown.length;
  return [
    `Properties: ${verdict}${notDecided}`,
    ...table(rows),
    ...(left > 0 ? [`  and ${counted(left, 'more', 'more')}`] : []),
  ];
}

function timeline(events: readonly TimelineEvent[], leftOut: number): string[] {
  if (events.length === 0) return ['Timeline: nothing was done to the network'];
  const sorted = events.toSorted((a, b) => finite(a.atMs) - finite(b.atMs));
  const rows = sorted
    .slice(0, maxEvents)
    .map(({ atMs, untilMs, kind, text }) => [
      untilMs === undefined ? durationText(atMs) : `${durationText(atMs)} – ${durationText(untilMs)}`,
      kind,
      line(text, 200),
    ]);
  const left = events.length - rows.length + leftOut;
  return ['Timeline:', ...table(rows), ...(left > 0 ? [`  and ${counted(left, 'more', 'more')}`] : [])];
}

/**
 * A report as lines of text, at most 100 characters each: the summary that a terminal shows. It holds no colours and no control
 * characters, whatever names hold.
 */
export function reportText(report: SimulationReport, config: ReportConfig = {}): string {
  const { name, description, seed, fidelity, network } = report;
  const facts = [`seed ${seed}`, line(fidelity, 20), line(network, 80)]
    .filter((fact) => fact !== '')
    .join(', ');
  const lines = [
    line(name, maxWidth),
    ...(description === '' ? [] : wrapped(line(description, 1_000), maxWidth)),
    ...wrapped(facts, maxWidth),
    '',
    ...properties(report.properties),
    '',
    'Figures:',
    ...table(figures(report)),
    '',
    ...timeline(report.timeline, report.leftOut.timeline),
    '',
    `Trace: ${counted(report.traceLength, 'line')}, hash ${line(report.traceHash, 64)}`,
    ...(name === 'simulation' && config.command === undefined
      ? [`Again: the same NetworkSimulator with seed ${seed}`]
      : [`Again: ${readable(config.command ?? repeatCommand(name, seed))}`]),
  ];
  return `${lines.join('\n').replaceAll('\u202f', '')}\n`;
}
