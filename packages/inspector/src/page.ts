import { chartSvg } from './chartSvg.ts';
import { browserScript } from './internal/browserScript.ts';
import { timeText } from './internal/eventText.ts';
import { machineTitles, sharesOf } from './internal/shares.ts';
import { escapeText } from './internal/svgText.ts';
import { chartLight } from './page/browser/chartLight.ts';
import { flash } from './page/browser/flash.ts';
import { laneFilter } from './page/browser/laneFilter.ts';
import { runPlayer } from './page/browser/runPlayer.ts';
import { sequenceLight } from './page/browser/sequenceLight.ts';
import { stepText } from './page/browser/stepText.ts';
import { themeSwitch } from './page/browser/themeSwitch.ts';
import { zoomPane } from './page/browser/zoomPane.ts';
import { documentHtml } from './page/document.ts';
import { counted, missedHtml, outcomeHtml, shareHtml, viewHtml } from './page/parts.ts';
import { filterHtml, helpHtml, playerHtml, toolsHtml } from './page/controls.ts';
import { pageData } from './page/steps.ts';
import type { MachineRun, Run } from './run.ts';
import type { SequenceConfig } from './sequence.ts';
import { sequenceSvg } from './sequenceSvg.ts';

/** What a page says beside the run. */
export interface PageConfig extends SequenceConfig {
  /** The heading. */
  readonly title: string;
  /** What is said below it, such as how a test ended. */
  readonly subtitle?: string;
}

/**
 * A run as one HTML page that needs nothing else: the chart of each machine, what was never taken, and the sequence.
 * In a browser it can be played and stepped through, and everything in it leads to the moment when it happened; without
 * scripts the pictures and lists are all there.
 *
 * @throws {Error} when the layout of a chart fails
 * @example
 * ```ts
 * writeFileSync('run.html', await runPage(recorder.run(), { title: 'A request that is retried' }));
 * ```
 */
export async function runPage(run: Run, config: PageConfig): Promise<string> {
  const charts: string[] = [];
  for (const machine of run.machines) charts.push(await chartSvg(machine.chart, run));
  return pageOf(run, config, { charts, sequence: sequenceSvg(run, config) });
}

/** The page of pictures that are drawn already, charts in the order of the run's machines. */
export function pageOf(
  run: Run,
  { title, subtitle, caller = 'outside' }: PageConfig,
  pictures: { readonly charts: readonly string[]; readonly sequence: string },
): string {
  const data = pageData(run, caller);
  const figures = [
    ...(subtitle === undefined ? [] : [outcomeHtml(subtitle)]),
    timeText(run.durationMs),
    counted(data.steps.length, 'step', 'steps'),
    counted(run.actors.length, 'actor', 'actors'),
    ...droppedTexts(run).map((text) => `<span class="dropped">${text}</span>`),
  ];
  const names = machineTitles(run.machines);
  const sections = run.machines.map((machine, index) =>
    sectionHtml(machine, { index, name: names[index] ?? '', svg: pictures.charts[index] ?? '' }),
  );
  return documentHtml({
    title,
    body: [
      `<header><div><h1>${escapeText(title)}</h1><p class="figures">${figures.join(' · ')}</p></div>${toolsHtml}</header>`,
      playerHtml(data.steps.length),
      `<main class="run"><section class="machines" aria-label="Machines">${chooserHtml(names)}${sections.join('\n')}`,
      '<div id="step" class="step scripts" aria-label="What happened"></div></section>',
      `<section class="messages" aria-label="Sequence">${filterHtml(run)}${viewHtml('Sequence of messages', pictures.sequence, 'messages')}</section></main>`,
      helpHtml,
    ].join('\n'),
    script: browserScript(runPlayer, data, {
      chartLight,
      flash,
      laneFilter,
      sequenceLight,
      stepText,
      themeSwitch,
      zoomPane,
    }),
  });
}

/** Which machine and which of its actors the chart shows, and how near. */
function chooserHtml(names: readonly string[]): string {
  const tabs = names.map(
    (name, index) =>
      `<button type="button" role="tab" id="tab-${index}" aria-controls="machine-${index}" aria-selected="${index === 0}">${escapeText(name)}</button>`,
  );
  return [
    '<div class="chooser scripts">',
    `<div class="tabs" role="tablist" aria-label="Machines">${tabs.join('')}</div>`,
    '<label class="of">actor <select id="actor"></select></label>',
    '<div class="buttons" role="group" aria-label="Zoom">',
    '<button type="button" id="farther" aria-label="Zoom out" title="Zoom out (-)">−</button>',
    '<button type="button" id="fit" title="Fit the chart into its place (0)">fit</button>',
    '<button type="button" id="nearer" aria-label="Zoom in" title="Zoom in (+)">+</button>',
    '</div></div>',
  ].join('');
}

interface Section {
  readonly index: number;
  readonly name: string;
  readonly svg: string;
}

function sectionHtml(machine: MachineRun, { index, name, svg }: Section): string {
  const { states, transitions } = sharesOf(machine);
  const lists =
    missedHtml('Never visited', 'state', states.missed) +
    missedHtml('Never taken', 'transition', transitions.missed);
  const summary = `<b>${escapeText(name)}</b> ${shareHtml('states', states)} ${shareHtml('transitions', transitions)}`;
  return [
    `<section class="machine" id="machine-${index}" role="tabpanel" aria-label="Machine ${escapeText(name)}">`,
    viewHtml(`Chart of ${name}`, svg),
    lists === ''
      ? `<p class="coverage">${summary}</p>`
      : `<details class="coverage"><summary>${summary}</summary><div class="lists">${lists}</div></details>`,
    '</section>',
  ].join('');
}

function droppedTexts({ dropped }: Run): string[] {
  const { entries, actors, machines, reports, labels } = dropped;
  return [
    ...(entries > 0 ? [`${counted(entries, 'entry', 'entries')} in the middle not kept`] : []),
    ...(actors > 0 ? [`${counted(actors, 'actor', 'actors')} not told apart`] : []),
    ...(machines > 0 ? [`${counted(machines, 'machine', 'machines')} not counted`] : []),
    ...(labels > 0 ? [`${counted(labels, 'label', 'labels')} not kept`] : []),
    ...(reports > 0 ? [`${counted(reports, 'report', 'reports')} that could not be read`] : []),
  ];
}
