import { samplesOf, thinned } from './charts.ts';
import { marksOf, type NumberedEvent } from './events.ts';
import { roleKey } from './topology.ts';
import type { PropertyResult, ReportConfig, ReportSample, SimulationReport } from './types.ts';
import {
  bytesText,
  counted,
  durationText,
  escapeText,
  finite,
  numberText,
  repeatCommand,
  safe,
  shareText,
  verdictsOf,
  weiText,
} from './words.ts';
import { roles } from './layout.ts';

/** Longer lists are cut, and the page says so. */
const maxNodes = 500;
const maxProperties = 100;
const maxTrace = 200;
const maxRows = 120;
const maxFailures = 20;

const moreText = (left: number, one: string, many?: string): string =>
  left > 0
    ? `<p class="note">${counted(left, 'more', 'more')} ${left === 1 ? one : (many ?? `${one}s`)} not shown.</p>`
    : '';

const when: Readonly<Record<PropertyResult['when'], string>> = {
  always: 'always',
  eventually: 'at some moment',
  finally: 'at the end',
};

/** What ran. */
export function headerHtml({
  name,
  description,
  seed,
  fidelity,
  network,
  durationMs,
  nodes,
}: SimulationReport): string {
  const counts = roles.flatMap((role) => {
    const count = nodes.filter((node) => node.role === role).length;
    return count === 0 ? [] : [counted(count, role)];
  });
  const facts: readonly (readonly [string, string])[] = [
    ['Seed', `${seed}`],
    ['Nodes', counts.toReversed().join(', ') || 'none'],
    ['Links', safe(network, 300)],
    ['Virtual time', durationText(durationMs)],
    ['Fidelity', safe(fidelity, 20)],
  ];
  return (
    `<header><div class="top"><h1>${safe(name, 120)}</h1>` +
    '<button type="button" id="theme" data-script hidden>Dark</button></div>' +
    (description === '' ? '' : `<p class="lead">${safe(description, 1_000)}</p>`) +
    `<dl class="facts">${facts.map(([term, text]) => `<div><dt>${term}</dt><dd>${text}</dd></div>`).join('')}</dl></header>`
  );
}

type Verdict = 'good' | 'bad' | 'open';

const paths: Readonly<Record<Verdict, string>> = {
  good: 'M4 10.5l4 4 8-9',
  bad: 'M5 5l10 10M15 5L5 15',
  open: 'M4 10h12',
};
const badges: Readonly<Record<Verdict, string>> = { good: 'holds', bad: 'fails', open: 'not decided' };

const mark = (verdict: Verdict): string =>
  `<svg class="sign" viewBox="0 0 20 20" aria-hidden="true"><path d="${paths[verdict]}"/></svg>`;

function propertyHtml({ what, when: moment, holds, isDecided, atMs, detail }: PropertyResult): string {
  const verdict: Verdict = isDecided ? (holds ? 'good' : 'bad') : 'open';
  const since = isDecided ? 'decided at' : 'the run ended at';
  return (
    `<li class="${verdict}">${mark(verdict)}<div><b>${safe(what, 300)}</b>` +
    `<p><span class="badge">${badges[verdict]}</span> must hold ${when[moment]}; ${since} ${durationText(atMs)}` +
    `${detail === '' ? '' : `: ${safe(detail, 600)}`}</p></div></li>`
  );
}

/** The headline of some properties. */
function titleOf({ failed, open, held }: ReturnType<typeof verdictsOf>): string {
  const all = failed.length + open.length + held.length;
  const ofAll = `of ${counted(all, 'property', 'properties')}`;
  const notDecided = open.length === 0 ? '' : `, ${numberText(open.length)} not decided`;
  if (failed.length > 0)
    return `${numberText(failed.length)} ${ofAll} ${failed.length === 1 ? 'fails' : 'fail'}${notDecided}`;
  if (open.length > 0)
    return `${numberText(held.length)} ${ofAll} ${held.length === 1 ? 'holds' : 'hold'}${notDecided}`;
  return all === 1 ? 'The property holds' : `All ${numberText(all)} properties hold`;
}

/** Whether everything holds, and what does not. */
export function verdictHtml({ properties }: SimulationReport): string {
  if (properties.length === 0) {
    return (
      '<section class="verdict none" aria-labelledby="verdict"><h2 id="verdict">Nothing was demanded</h2>' +
      '<p>This run had no properties: it shows what happened, not whether that is right.</p></section>'
    );
  }
  const verdicts = verdictsOf(properties);
  const { failed, open, held } = verdicts;
  const verdict: Verdict = failed.length > 0 ? 'bad' : open.length > 0 ? 'open' : 'good';
  const shown = [...failed, ...open, ...held].slice(0, maxProperties);
  return (
    `<section class="verdict ${verdict}" aria-labelledby="verdict"><h2 id="verdict">${mark(verdict)}${titleOf(verdicts)}</h2>` +
    `<ul class="properties">${shown.map(propertyHtml).join('')}</ul>` +
    `${moreText(properties.length - shown.length, 'property', 'properties')}</section>`
  );
}

interface Tile {
  readonly title: string;
  readonly value: string;
  readonly more: string;
  readonly isBad?: boolean;
}

/** The figures of the whole run. */
export function tilesHtml({ metrics }: SimulationReport): string {
  const { nodes, requests, gossip, traffic } = metrics;
  const ended = requests.answered + requests.failed;
  const latency = requests.latencyMs;
  const tiles: readonly Tile[] = [
    {
      title: 'Requests answered',
      value: ended === 0 ? '–' : shareText(requests.answered / ended),
      more: `${numberText(requests.answered)} of ${numberText(requests.asked)} asked, ${numberText(requests.failed)} failed, ${numberText(requests.pending)} pending`,
    },
    {
      title: 'Time to the answer',
      value: latency.count === 0 ? '–' : durationText(latency.p50),
      more:
        latency.count === 0
          ? 'no answers'
          : `median; 99 % within ${durationText(latency.p99)}, longest ${durationText(latency.max)}`,
    },
    {
      title: 'Time to the first token',
      value: requests.firstTokenMs.count === 0 ? '–' : durationText(requests.firstTokenMs.p50),
      more:
        requests.firstTokenMs.count === 0
          ? 'no answers'
          : `median; 99 % within ${durationText(requests.firstTokenMs.p99)}`,
    },
    {
      title: 'Billed too high',
      value: numberText(requests.overbilled),
      more: `of ${counted(requests.answered, 'answer')}`,
      isBad: requests.overbilled > 0,
    },
    {
      title: 'Spent',
      value: weiText(requests.spent),
      more: `${counted(requests.executions, 'execution')} by handlers, ${counted(requests.duplicateExecutions, 'run')} of a question already taken`,
    },
    {
      title: 'Nodes up at the end',
      value: `${numberText(nodes.up)} / ${numberText(nodes.spawned)}`,
      more: `${shareText(metrics.connectedShare)} connected, ${shareText(metrics.discoveredShare)} know each other`,
    },
    {
      title: 'Reach of messages',
      value: gossip.published === 0 ? '–' : shareText(gossip.reach),
      more:
        gossip.published === 0
          ? 'none were published'
          : `${counted(gossip.published, 'message')}, median ${durationText(gossip.latencyMs.p50)}, ${numberText(gossip.duplicates)} further copies`,
    },
    {
      title: 'Traffic',
      value: bytesText(traffic.bytes),
      more: `${counted(traffic.segments, 'segment')}, ${numberText(traffic.lostSegments)} lost; ${counted(traffic.dials, 'dial')}`,
    },
  ];
  return `<section aria-labelledby="figures"><h2 id="figures">In figures</h2><dl class="tiles">${tiles
    .map(
      ({ title, value, more, isBad }) =>
        `<div class="card${isBad === true ? ' bad' : ''}"><dt>${title}</dt><dd><b>${escapeText(value)}</b><span>${escapeText(more)}</span></dd></div>`,
    )
    .join('')}</dl></section>`;
}

const marksText = (marks: number): string =>
  marks === 0
    ? ''
    : `<p class="note">The pictures below mark ${marks === 1 ? 'one of these' : `${marks} of these`}, by ${marks === 1 ? 'its number' : 'their numbers'}.</p>`;

/** What was done to the network, and when. */
export function timelineHtml(report: SimulationReport, events: readonly NumberedEvent[]): string {
  const left = report.timeline.length - events.length + report.leftOut.timeline;
  const duration = Math.max(1, finite(report.durationMs));
  const rows = events.map(({ number, kind, text, nodes, fromMs, endMs, untilMs }) => {
    const from = Math.round((fromMs / duration) * 1_000);
    const width = Math.max(6, Math.round((((endMs ?? fromMs) - fromMs) / duration) * 1_000));
    const isOpen = endMs !== undefined && untilMs === undefined;
    const until = endMs === undefined ? '' : isOpen ? ' on' : ` – ${durationText(endMs)}`;
    // Most texts name them already.
    const unnamed = nodes.filter((node) => !text.includes(node));
    const names = unnamed.slice(0, 12).map((node) => safe(node, 24));
    const more = unnamed.length > names.length ? [`${unnamed.length - names.length} more`] : [];
    return (
      `<tr><td class="digit">${number}</td><td class="nowrap">${durationText(fromMs)}${until}</td>` +
      `<td class="lane"><svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><path class="track" d="M0 5H1000"/>` +
      `<rect class="bar ${kind}" x="${Math.min(from, 994)}" y="1" width="${width}" height="8"/></svg></td>` +
      `<td><span class="badge">${kind}</span></td><td>${safe(text, 300)}` +
      `${names.length === 0 ? '' : ` <span class="soft">${[...names, ...more].join(', ')}</span>`}</td></tr>`
    );
  });
  const body =
    rows.length === 0
      ? '<p class="empty card">Nothing was done to the network.</p>'
      : '<div class="card scroll" tabindex="0" role="region" aria-label="Timeline"><table class="timeline"><thead><tr><th scope="col">No.</th>' +
        '<th scope="col">When</th><th scope="col" class="lane"><span class="spoken">In the run</span></th><th scope="col">Kind</th>' +
        `<th scope="col">What</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
  return (
    '<section aria-labelledby="timeline"><h2 id="timeline">Faults and changes</h2>' +
    `${body}${moreText(left, 'event')}${marksText(marksOf(events).length)}</section>`
  );
}

/** How requests ended, with a bar for each outcome. */
export function outcomesHtml({ metrics }: SimulationReport): string {
  const { answered, failures, pending, asked } = metrics.requests;
  const codes = Object.entries(failures).toSorted(([, a], [, b]) => b - a);
  const rest = codes.slice(maxFailures).reduce((sum, [, count]) => sum + count, 0);
  const rows: readonly (readonly [string, number, string])[] = [
    ['answered', answered, 'good'],
    ...codes.slice(0, maxFailures).map(([code, count]) => [code, count, 'bad'] as const),
    ...(rest > 0 ? [['other failures', rest, 'bad'] as const] : []),
    ...(pending > 0 ? [['pending at the end', pending, 'blue'] as const] : []),
  ];
  const body =
    asked === 0
      ? '<p class="empty">No requests were asked.</p>'
      : `<table class="outcomes"><thead class="spoken"><tr><th scope="col">Outcome</th><th scope="col">Requests</th><th scope="col">Share</th></tr></thead><tbody>${rows
          .map(
            ([outcome, count, tone]) =>
              `<tr><th scope="row">${safe(outcome, 40)}<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">` +
              `<path class="track" d="M0 3H100"/><rect class="fill ${tone}" width="${Math.min(100, Math.round((finite(count) / asked) * 1_000) / 10)}" height="6"/></svg></th>` +
              `<td class="digit">${numberText(count)}</td><td class="digit">${shareText(count / asked)}</td></tr>`,
          )
          .join('')}</tbody></table>`;
  return (
    '<figure class="card chart" id="outcomes"><figcaption><h3>How requests ended</h3>' +
    `<p>All of them, by the code of the error where there was one.</p></figcaption>${body}</figure>`
  );
}

const columns: readonly (readonly [string, (sample: ReportSample) => string])[] = [
  ['Time', ({ atMs }) => durationText(atMs)],
  ['Up', ({ up }) => numberText(up)],
  ['Links', ({ links }) => numberText(links)],
  ['Connected', (sample) => shareText(sample.connectedShare)],
  ['Discovered', (sample) => shareText(sample.discoveredShare)],
  ['Offers seen', (sample) => shareText(sample.offersSeenShare)],
  ['Asked', ({ asked }) => numberText(asked)],
  ['Answered', ({ answered }) => numberText(answered)],
  ['Failed', ({ failed }) => numberText(failed)],
  ['Pending', ({ pending }) => numberText(pending)],
  ['p50', ({ latencyP50Ms }) => (latencyP50Ms === undefined ? '–' : durationText(latencyP50Ms))],
  ['p99', ({ latencyP99Ms }) => (latencyP99Ms === undefined ? '–' : durationText(latencyP99Ms))],
  ['Bytes', ({ bytes }) => bytesText(bytes)],
];

const scrolled = (label: string, table: string): string =>
  `<div class="scroll" tabindex="0" role="region" aria-label="${label}">${table}</div>`;

/** What the pictures over time are drawn from. */
export function samplesHtml(report: SimulationReport): string {
  const all = samplesOf(report);
  if (all.length === 0) return '';
  const shown = thinned(all, maxRows);
  const head = columns.map(([title]) => `<th scope="col">${title}</th>`).join('');
  const rows = shown.map(
    (sample) =>
      `<tr>${columns.map(([, text], place) => (place === 0 ? `<th scope="row">${text(sample)}</th>` : `<td>${text(sample)}</td>`)).join('')}</tr>`,
  );
  return (
    `<details class="card"><summary>The same as a table <span class="soft">${counted(shown.length, 'moment')} of ${numberText(all.length)}</span></summary>` +
    `${scrolled('Samples', `<table class="digits"><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`)}</details>`
  );
}

/** Who took part. */
export function nodesHtml({ nodes, topology }: SimulationReport): string {
  const shown = nodes.slice(0, maxNodes);
  const last = topology.at(-1);
  const up = last === undefined ? undefined : new Set(last.up);
  const hasRegions = nodes.some(({ region }) => region !== undefined);
  const rows = shown.map(
    ({ name, role, region, peerId }, place) =>
      `<tr><th scope="row">${safe(name, 60)}</th><td class="nowrap">${roleKey(role)}${role}</td>` +
      (hasRegions ? `<td class="nowrap">${safe(region ?? '–', 30)}</td>` : '') +
      (up === undefined ? '' : `<td>${up.has(place) ? 'up' : 'down'}</td>`) +
      `<td><code>${safe(peerId, 64)}</code></td></tr>`,
  );
  const head =
    '<th scope="col">Name</th><th scope="col">Role</th>' +
    (hasRegions ? '<th scope="col">Region</th>' : '') +
    (up === undefined ? '' : '<th scope="col">At the end</th>') +
    '<th scope="col">Peer id</th>';
  return (
    `<section aria-labelledby="nodes"><h2 id="nodes">Nodes</h2><details class="card"><summary>${counted(nodes.length, 'node')}</summary>` +
    scrolled('Nodes', `<table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`) +
    `${moreText(nodes.length - shown.length, 'node')}</details></section>`
  );
}

/** The end of the trace, and how to run the same again. */
export function againHtml(
  { name, seed, traceHash, traceLength, traceTail }: SimulationReport,
  config: ReportConfig,
): string {
  const lines = traceTail.slice(-maxTrace);
  const left = Math.max(0, finite(traceLength) - lines.length);
  const command =
    name === 'simulation' && config.command === undefined
      ? `<p>Build the same <code>NetworkSimulator</code> with <code>seed: ${seed}</code>.</p>`
      : `<pre class="command"><code>${safe(config.command ?? repeatCommand(name, seed), 1_000)}</code></pre>`;
  const trace =
    lines.length === 0
      ? '<p class="note">No lines of the trace were kept.</p>'
      : `<details class="card"><summary>End of the trace <span class="soft">${counted(lines.length, 'line')}, ${numberText(left)} before</span></summary>` +
        `<pre tabindex="0">${lines.map((line) => safe(line, 240)).join('\n')}</pre></details>`;
  return (
    `<section aria-labelledby="again"><h2 id="again">Run it again</h2>${command}` +
    '<p class="note">With the same seed, nodes, duration and fidelity everything happens again in the same order. ' +
    `The trace of ${counted(traceLength, 'line')} then has the same hash:</p><p class="hash"><code>${safe(traceHash, 100)}</code></p>${trace}</section>`
  );
}
