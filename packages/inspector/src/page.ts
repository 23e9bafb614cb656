import { statesIn, transitionsIn } from './chart.ts';
import { chartSvg } from './chartSvg.ts';
import { countOf } from './internal/counts.ts';
import { durationText, escapeText } from './internal/svgText.ts';
import { fontFamily, themeCss } from './internal/theme.ts';
import type { MachineRun, Run } from './run.ts';
import { sequenceSvg, type SequenceConfig } from './sequenceSvg.ts';

/** What a page says beside the run. */
export interface PageConfig extends SequenceConfig {
  /** The heading. */
  readonly title: string;
  /** What is said below it, such as how a test ended. */
  readonly subtitle?: string;
}

/**
 * A run as one HTML page that needs nothing else: the chart of each machine, what was never taken, and the sequence.
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
  { title, subtitle }: PageConfig,
  pictures: { readonly charts: readonly string[]; readonly sequence: string },
): string {
  const charts = run.machines.map((machine, index) => chartSection(machine, pictures.charts[index] ?? ''));
  const figures = [
    subtitle,
    durationText(run.durationMs),
    counted(run.entries.length + run.dropped.entries, 'entry', 'entries'),
    counted(run.actors.length, 'actor', 'actors'),
    ...droppedTexts(run),
  ];
  return htmlPage(
    title,
    `<header><h1>${escapeText(title)}</h1><p>${escapeText(figures.filter(Boolean).join(', '))}</p></header>` +
      `<main><div>${charts.join('\n')}</div><div>${pictures.sequence}</div></main>`,
  );
}

/** A page in the colours of the pictures. */
export function htmlPage(title: string, body: string): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<meta name="color-scheme" content="light dark"><title>${escapeText(title)}</title>`,
    `<style>${themeCss(':root')}${pageCss}</style></head><body>`,
    body,
    '</body></html>\n',
  ].join('\n');
}

/** The chart of one machine above what it never did. */
export function chartSection({ chart, states, transitions }: MachineRun, svg: string): string {
  const wanted = statesIn(chart.root).filter(({ type, path }) => type !== 'history' && path !== '');
  const unvisited = wanted
    .filter(({ id }) => (countOf(states, id)?.visits ?? 0) === 0)
    .map(({ path }) => path);
  const all = transitionsIn(chart.root);
  const untaken = all
    .filter(({ key }) => (countOf(transitions, key)?.taken ?? 0) === 0)
    .map(({ name }) => name);
  const summary =
    `<b>${escapeText(chart.id)}</b> states ${wanted.length - unvisited.length}/${wanted.length}, ` +
    `transitions ${all.length - untaken.length}/${all.length}`;
  const lists = listHtml('Never visited', unvisited) + listHtml('Never taken', untaken);
  const details =
    lists === '' ? `<p>${summary}</p>` : `<details><summary>${summary}</summary>${lists}</details>`;
  return `<section class="machine"><div class="picture">${svg}</div>${details}</section>`;
}

const pageCss = [
  `body{margin:0;background:var(--ground);color:var(--ink);font:14px/1.5 ${fontFamily}}`,
  'header{padding:16px 20px;border-bottom:1px solid var(--line)}',
  'h1{margin:0;font-size:18px}h2{margin:0;font-size:16px}',
  'header p{margin:4px 0 0;color:var(--soft)}',
  'main{display:grid;grid-template-columns:minmax(0,11fr) minmax(0,9fr);gap:16px;padding:12px}',
  '@media(max-width:1100px){main{display:block}}',
  'main>div+div{border-left:1px solid var(--line);padding-left:12px}',
  'section{margin:0 0 24px}svg{max-width:100%;height:auto}',
  'details,section>p,section>h2{margin:4px 12px}summary{cursor:pointer}',
  'a{color:var(--invoke)}',
  'table{border-collapse:collapse;margin:12px 20px}td,th{padding:3px 14px 3px 0;text-align:left;vertical-align:top}',
  '.number{text-align:right}.low{color:var(--error)}',
].join('');

function listHtml(title: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  return `<p>${title}:</p><ul>${items.map((item) => `<li>${escapeText(item)}</li>`).join('')}</ul>`;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function droppedTexts({ dropped }: Run): string[] {
  const { entries, actors, machines, reports } = dropped;
  return [
    ...(entries > 0 ? [`${counted(entries, 'entry', 'entries')} in the middle not kept`] : []),
    ...(actors > 0 ? [`${counted(actors, 'actor', 'actors')} not told apart`] : []),
    ...(machines > 0 ? [`${counted(machines, 'machine', 'machines')} not counted`] : []),
    ...(reports > 0 ? [`${counted(reports, 'report', 'reports')} that could not be read`] : []),
  ];
}
