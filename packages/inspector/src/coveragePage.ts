import { chartSvg } from './chartSvg.ts';
import { browserScript } from './internal/browserScript.ts';
import { machineTitles, sharesOf, type CoverageException, type Share } from './internal/shares.ts';
import { escapeText, shorten } from './internal/svgText.ts';
import { coverageView } from './page/browser/coverageView.ts';
import { flash } from './page/browser/flash.ts';
import { themeSwitch } from './page/browser/themeSwitch.ts';
import { zoomPane } from './page/browser/zoomPane.ts';
import { documentHtml } from './page/document.ts';
import { counted, meterHtml, missedHtml, outcomeHtml, shareHtml, viewHtml } from './page/parts.ts';
import type { MachineRun } from './run.ts';

/** What a page of coverage says beside the machines. */
export interface CoveragePageConfig {
  /** The heading. @default 'Machine coverage' */
  readonly title?: string;
  /** Transitions that no test can take: shown, and not counted. @default none */
  readonly exceptions?: readonly CoverageException[];
  /** Pages of the tests, in the order in which they are listed; failed ones come first. @default none */
  readonly tests?: readonly TestLink[];
}

/** A test that has a page of its own. */
export interface TestLink {
  readonly name: string;
  /** Where its page is, from where this page is. */
  readonly href: string;
  /** How it ended: `passed`, or `failed` or `timed out`, by which it is one of those that failed. */
  readonly state: string;
  /** Ids of the machines it ran, below which it is listed too. @default none */
  readonly machines?: readonly string[];
}

interface Covered {
  /** Tells it from another shape of the same `id`. */
  readonly name: string;
  readonly svg: string;
  readonly states: Share;
  readonly transitions: Share;
  readonly excepted: readonly CoverageException[];
  readonly tests: readonly TestLink[];
}

/**
 * What was reached of each machine as one HTML page that needs nothing else: a table, and the chart of each machine,
 * in which a click on what was never taken shows where it is.
 *
 * @throws {Error} when the layout of a chart fails
 * @example
 * ```ts
 * writeFileSync('coverage.html', await coveragePage(recorder.run().machines));
 * ```
 */
export async function coveragePage(
  machines: readonly MachineRun[],
  { title = 'Machine coverage', exceptions = [], tests = [] }: CoveragePageConfig = {},
): Promise<string> {
  const sorted = [...tests.filter(hasFailed), ...tests.filter((test) => !hasFailed(test))];
  const all: Covered[] = [];
  const names = machineTitles(machines);
  for (const [index, machine] of machines.entries()) {
    const { id } = machine.chart;
    all.push({
      name: names[index] ?? id,
      svg: await chartSvg(machine.chart, { machines: [machine] }),
      ...sharesOf(machine, exceptions),
      excepted: exceptions.filter((each) => each.machine === id),
      tests: sorted.filter((test) => test.machines?.includes(id) === true),
    });
  }
  const body = [
    headerHtml(title, all, tests),
    `<main class="covered">${toolsHtml}${tableHtml(all)}${testsHtml('Failed tests', sorted.filter(hasFailed), true)}`,
    ...all.map((covered, index) => sectionHtml(covered, index)),
    `${testsHtml('All tests', sorted, false)}</main>`,
  ];
  const script = browserScript(coverageView, null, { flash, themeSwitch, zoomPane });
  return documentHtml({ title, body: body.join('\n'), script });
}

const hasFailed = ({ state }: TestLink): boolean => state.startsWith('fail') || state === 'timed out';

function headerHtml(title: string, all: readonly Covered[], tests: readonly TestLink[]): string {
  const failed = tests.filter(hasFailed).length;
  const figures = [
    counted(all.length, 'machine', 'machines'),
    shareHtml('states', sumOf(all.map(({ states }) => states))),
    shareHtml('transitions', sumOf(all.map(({ transitions }) => transitions))),
    ...(failed === 0 ? [] : [outcomeHtml(`failed: ${counted(failed, 'test', 'tests')}`)]),
  ];
  return (
    `<header><div><h1>${escapeText(title)}</h1><p class="figures">${figures.join(' ')}</p></div>` +
    '<div class="tools scripts"><button type="button" id="theme">Theme</button></div></header>'
  );
}

function sumOf(shares: readonly Share[]): Share {
  const sum = (value: 'total' | 'reached'): number =>
    shares.reduce((total, share) => total + share[value], 0);
  return { total: sum('total'), reached: sum('reached'), missed: [] };
}

const toolsHtml = [
  '<div class="filter scripts"><label class="of">find <input type="search" id="filter" placeholder="machine or state…" ',
  'aria-label="Find machines" autocomplete="off" spellcheck="false"></label>',
  '<label class="of"><input type="checkbox" id="missed"> with gaps only</label>',
  '<span id="found" class="soft" role="status"></span></div>',
].join('');

const shownNames = 3;

function tableHtml(all: readonly Covered[]): string {
  const rows = all.map(({ name, states, transitions, excepted }, index) => {
    const missed = transitions.missed.slice(0, shownNames).map(({ shown }) => escapeText(shorten(shown, 70)));
    const more = transitions.missed.length - missed.length;
    const notes = [
      ...missed,
      ...(more > 0 ? [`and ${more} more`] : []),
      ...(excepted.length > 0 ? [`<span class="soft">${excepted.length} excepted</span>`] : []),
    ];
    const isWhole = states.missed.length + transitions.missed.length === 0;
    return (
      `<tr class="${isWhole ? 'whole' : 'part'}"><th scope="row"><a href="#machine-${index}">${escapeText(name)}</a></th>` +
      `<td>${cellHtml(states)}</td><td>${cellHtml(transitions)}</td><td>${notes.join('<br>')}</td></tr>`
    );
  });
  return (
    '<div class="scroll"><table><thead><tr><th scope="col">machine</th><th scope="col">states</th><th scope="col">transitions</th>' +
    `<th scope="col">never taken</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  );
}

function cellHtml(share: Share): string {
  return `<span class="share">${meterHtml(share)}<b>${share.reached}/${share.total}</b></span>`;
}

function sectionHtml({ name, svg, states, transitions, excepted, tests }: Covered, index: number): string {
  const id = escapeText(name);
  const reasons = excepted.map(
    ({ transition, why }) =>
      `<li>${escapeText(transition)}: <span class="soft">${escapeText(why)}</span></li>`,
  );
  const lists = [
    missedHtml('Never visited', 'state', states.missed),
    missedHtml('Never taken', 'transition', transitions.missed),
    reasons.length === 0 ? '' : `<div><h3>Excepted</h3><ul class="missed">${reasons.join('')}</ul></div>`,
  ].join('');
  return [
    `<section class="machine" id="machine-${index}" aria-labelledby="name-${index}">`,
    `<div class="title"><h2 id="name-${index}">${id}</h2>${shareHtml('states', states)}${shareHtml('transitions', transitions)}`,
    `<span class="buttons scripts" role="group" aria-label="Zoom ${id}"><button type="button" class="farther" aria-label="Zoom out">−</button>`,
    '<button type="button" class="fit">fit</button><button type="button" class="nearer" aria-label="Zoom in">+</button></span></div>',
    viewHtml(`Chart of ${name}`, svg),
    lists === '' ? '' : `<div class="lists">${lists}</div>`,
    testsHtml('Tests that ran it', tests, false),
    '</section>',
  ].join('');
}

function testsHtml(title: string, tests: readonly TestLink[], isOpen: boolean): string {
  if (tests.length === 0) return '';
  const items = tests.map(
    ({ name, href, state }) =>
      `<li><a href="${escapeText(encodeURI(href))}">${escapeText(name)}</a>${hasFailed({ state, name, href }) ? ` ${outcomeHtml(state)}` : ''}</li>`,
  );
  return `<details class="tests"${isOpen ? ' open' : ''}><summary>${title} <span class="soft">${tests.length}</span></summary><ul>${items.join('')}</ul></details>`;
}
