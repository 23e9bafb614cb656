import { escapeText, shorten } from '../internal/svgText.ts';
import type { Run } from '../run.ts';
import { icons } from './icons.ts';

/** Shown only where scripts run, as everything of the class `scripts`. */
export const toolsHtml =
  '<div class="tools scripts"><button type="button" id="theme">Theme</button>' +
  '<button type="button" id="keys" aria-label="Keys and help" title="Keys and help (?)">?</button></div>';

/** How a run is played and stepped through. */
export function playerHtml(steps: number): string {
  return [
    '<section class="player scripts" aria-label="Player"><div class="buttons" role="group" aria-label="Steps">',
    `<button type="button" id="first" aria-label="First step" title="First step (Home)">${icons.first}</button>`,
    `<button type="button" id="back" aria-label="Step back" title="Step back (←)">${icons.back}</button>`,
    `<button type="button" id="play" aria-label="Play" title="Play or pause (space)">${icons.play}</button>`,
    `<button type="button" id="forward" aria-label="Step forward" title="Step forward (→)">${icons.forward}</button>`,
    `<button type="button" id="last" aria-label="The whole run" title="The whole run (End)">${icons.last}</button></div>`,
    `<input type="range" id="slider" min="0" max="${steps}" value="${steps}" aria-label="Step">`,
    '<output id="position" for="slider" aria-live="polite"></output>',
    '<label class="of">speed <select id="speed">',
    ...[0.5, 1, 2, 4].map(
      (speed) => `<option value="${speed}"${speed === 1 ? ' selected' : ''}>${speed}×</option>`,
    ),
    '</select></label>',
    '<label class="of" title="Show the chart of whoever a step is about, and scroll along">',
    '<input type="checkbox" id="follow" checked> follow</label></section>',
  ].join('');
}

const maxLabels = 4;
const maxValues = 12;

/** A box for any text, and a chip for each value of a label that has few. */
export function filterHtml({ actors }: Run): string {
  const values = new Map<string, Set<string>>();
  for (const { labels } of actors) {
    for (const [label, value] of Object.entries(labels ?? {})) {
      values.set(label, (values.get(label) ?? new Set()).add(value));
    }
  }
  const chips = [...values]
    .filter(([, found]) => found.size > 1 && found.size <= maxValues)
    .slice(0, maxLabels)
    .map(([label, found]) => {
      const buttons = [...found].map(
        (value) =>
          `<button type="button" class="chip" aria-pressed="false" data-label="${escapeText(label)}" data-value="${escapeText(value)}">${escapeText(shorten(value, 16))}</button>`,
      );
      return `<span class="chips" role="group" aria-label="${escapeText(label)}"><span class="soft">${escapeText(shorten(label, 24))}</span>${buttons.join('')}</span>`;
    });
  return [
    '<div class="filter scripts"><label class="of">show <input type="search" id="filter" placeholder="name or label…" ',
    'aria-label="Show actors whose name or label has this text" autocomplete="off" spellcheck="false"></label>',
    ...chips,
    '<span id="found" class="soft" role="status"></span></div>',
  ].join('');
}

const keys = [
  ['space', 'play or pause'],
  ['← →', 'step back, step forward'],
  ['Home', 'first step'],
  ['End', 'the whole run, with its totals'],
  ['+ − 0', 'zoom the chart in, out, fit it into its place'],
  ['j k', 'next, previous actor'],
  ['/', 'show some actors only; Escape shows all of them'],
  ['?', 'this help'],
] as const;

/** What the keys and the pointer do. */
export const helpHtml = [
  '<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keys</h2><dl>',
  ...keys.map(([key, what]) => `<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`),
  '</dl><p>Click on a message to go to its step, on a state or an arrow to go to when it was next entered or taken, ',
  'and on what was never taken to see where it is. Drag a picture to move it, turn the wheel with Ctrl to zoom it, ',
  'double-click to fit it.</p><form method="dialog"><button>Close</button></form></dialog>',
].join('');
