import { chartsOf, samplesOf } from './charts.ts';
import { eventsOf } from './events.ts';
import { patternsSvg, view } from './plot.ts';
import { timeAxis } from './scale.ts';
import { pageScript } from './script.ts';
import {
  againHtml,
  headerHtml,
  nodesHtml,
  outcomesHtml,
  samplesHtml,
  tilesHtml,
  timelineHtml,
  verdictHtml,
} from './sections.ts';
import { pageCss } from './style.ts';
import { topologyOf } from './topology.ts';
import type { ReportConfig, SimulationReport } from './types.ts';
import { finite, safe } from './words.ts';

/** Of the script and the style of the page, for its policy: whoever changes one of them changes its hash, as a test demands. */
const scriptHash = 'sha256-Q4NRnP3aC2HsiwRJSWI4pV3LSEfWiBCdm+0ZpXgHzOg=';
const styleHash = 'sha256-lzYlQ8baDCirLOpcS2YEm8Ztn4Cu8ACVHZkWFqSNwUY=';

/** The page may load nothing, and run nothing but its own script; a name or a trace line cannot add to it. */
const policy =
  `default-src 'none'; script-src '${scriptHash}'; style-src '${styleHash}'; ` +
  "img-src data:; base-uri 'none'; form-action 'none'";

/**
 * A report as one HTML page that needs nothing else: what holds, figures, pictures over virtual time with faults marked, who was
 * connected with whom, tables. It loads nothing, follows the reader's light or dark, and reads the same without its script. At
 * most about 1.5 MB: of longer lists a part is shown, and the page says so.
 *
 * @example
 * ```ts
 * await writeFile('report.html', reportHtml(await runScenario(await loadScenario('partition'))));
 * ```
 */
export function reportHtml(report: SimulationReport, config: ReportConfig = {}): string {
  const events = eventsOf(report);
  const { overTime, curves } = chartsOf(report);
  const topology = topologyOf(report, events);
  const data = {
    plot: {
      left: view.left,
      right: view.right,
      width: view.width,
      durationMs: timeAxis(report.durationMs).max,
    },
    times: samplesOf(report).map(({ atMs }) => finite(atMs)),
    charts: overTime.flatMap((figure) => figure.data ?? []),
    topology: topology.data,
  };
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">',
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
    `<title>${safe(report.name, 120)} · seed ${report.seed}</title>`,
    `<style>${pageCss}</style></head><body>${patternsSvg}`,
    headerHtml(report),
    `<main>${verdictHtml(report)}`,
    tilesHtml(report),
    timelineHtml(report, events),
    '<section aria-labelledby="time"><h2 id="time">Over virtual time</h2>',
    `<div class="charts">${overTime.map(({ html }) => html).join('\n')}</div>${samplesHtml(report)}</section>`,
    '<section aria-labelledby="spread"><h2 id="spread">How long it took</h2>',
    `<div class="charts">${curves.map(({ html }) => html).join('\n')}${outcomesHtml(report)}</div></section>`,
    `<section aria-labelledby="topology"><h2 id="topology">Who was connected with whom</h2>${topology.html}</section>`,
    nodesHtml(report),
    `${againHtml(report, config)}</main>`,
    `<script type="application/json" id="data">${JSON.stringify(data).replaceAll('<', String.raw`\u003c`)}</script>`,
    `<script>${pageScript}</script></body></html>\n`,
  ].join('\n');
}
