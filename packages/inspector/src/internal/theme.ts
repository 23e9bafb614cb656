const light = {
  ground: '#ffffff',
  panel: '#f5f6fa',
  box: '#ffffff',
  ink: '#1f2328',
  soft: '#626773',
  line: '#c3c7d1',
  wire: '#868c9b',
  used: '#0b7a54',
  usedBox: '#e7f6ef',
  guard: '#a25205',
  invoke: '#3c53cf',
  error: '#c0282d',
  now: '#c76a05',
  nowBox: '#fff3dc',
};

const dark: typeof light = {
  ground: '#15161b',
  panel: '#191b22',
  box: '#1e2028',
  ink: '#e8e9ed',
  soft: '#9296a3',
  line: '#454957',
  wire: '#747a8b',
  used: '#31c48d',
  usedBox: '#10302a',
  guard: '#e8a34c',
  invoke: '#93a4ff',
  error: '#ff7b7b',
  now: '#f5b83d',
  nowBox: '#33280f',
};

const variables = (colours: typeof light): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/**
 * The colours of pictures and pages, light or dark as the reader's system asks, or as `data-theme` says on the element
 * or one around it.
 */
export const themeCss = (selector: string): string =>
  `${selector}{${variables(light)}}@media (prefers-color-scheme:dark){${selector}{${variables(dark)}}}` +
  `${themed(selector, 'light')}{${variables(light)}}${themed(selector, 'dark')}{${variables(dark)}}`;

const themed = (selector: string, theme: 'light' | 'dark'): string =>
  `${selector}[data-theme=${theme}],[data-theme=${theme}] ${selector}`;

/** The letters of pictures and pages. */
export const fontFamily = "Inter,Helvetica,Arial,'Liberation Sans',sans-serif";

/** What charts look like, and the texts of every picture; classes say what a thing is, never how it looks. */
const chartCss = [
  `.lm{font-family:${fontFamily};background:var(--ground)}`,
  '.lm text{fill:var(--ink);font-size:11px}',
  '.lm .ground{fill:var(--ground)}',
  '.lm .state{fill:var(--box);stroke:var(--wire)}',
  '.lm .group{fill:var(--panel);stroke:var(--wire)}',
  '.lm .region{stroke-dasharray:5 3}',
  '.counted .unused>.state,.counted .unused>.group{stroke:var(--line);stroke-dasharray:3 3}',
  '.lm .used>.state{fill:var(--usedBox);stroke:var(--used);stroke-width:1.5}',
  '.lm .used>.group{stroke:var(--used);stroke-width:1.5}',
  '.lm .used>.region{stroke-width:1.2}',
  '.lm .inner{fill:none}',
  '.lm .rule{stroke:var(--line);stroke-width:1}',
  '.lm .name{font-weight:600;font-size:12px}',
  '.lm .small{font-size:10px}',
  '.lm .strong{font-weight:600}',
  '.lm .soft{fill:var(--soft)}',
  '.lm .count{fill:var(--used);font-size:10px}',
  '.lm .invoke{fill:var(--invoke);font-size:10px}',
  '.lm .guard{fill:var(--guard);font-size:10px}',
  '.lm .error{fill:var(--error)}',
  '.lm .slanted{font-style:italic}',
  '.counted .unused>text{fill:var(--soft)}',
  '.counted .unused>.tried{fill:var(--guard)}',
  '.lm .edge{fill:none;stroke:var(--wire);stroke-width:1}',
  '.lm .head{fill:var(--wire)}',
  '.lm .ring{fill:var(--ground);stroke:var(--wire);stroke-width:1.5}',
  '.counted .unused>.edge{stroke:var(--line);stroke-dasharray:3 3}',
  '.counted .unused>.head{fill:var(--line)}',
  '.counted .unused>.ring{stroke:var(--line)}',
  '.lm .used>.edge{stroke:var(--used);stroke-width:1.3}',
  '.lm .often>.edge{stroke-width:2.2}',
  '.lm .used>.head{fill:var(--used)}',
  '.lm .used>.ring{stroke:var(--used)}',
  '.lm .label{fill:var(--ground);stroke:var(--line)}',
  '.lm .used>.label{fill:var(--usedBox);stroke:var(--used)}',
  // Without counts there is no room for bold letters where a page lights what is taken.
  '.counted .used>.event{font-weight:600}',
  // Arrows may cross the head of a state that holds others.
  '.lm .heading text{paint-order:stroke;stroke:var(--panel);stroke-width:3px;stroke-linejoin:round}',
  '.lm .dot{fill:var(--ink)}',
  // What a page lights: states a machine is in now, and transitions that it has just taken.
  '.lm .now>.state{stroke:var(--now);stroke-width:2.5;stroke-dasharray:none}',
  '.lm .now>.group{stroke:var(--now);stroke-width:1.5}',
  '.lm .now>.state{fill:var(--nowBox)}',
  '.lm .now>.inner{fill:none;stroke-width:1.2}',
  '.lm .now>text.name,.lm .hit>text.event{fill:var(--ink)}',
  '.lm .hit>.edge,.lm g:has(>.hit)>.edge{stroke:var(--now);stroke-width:2.4;stroke-dasharray:none}',
  '.lm .hit>.head,.lm g:has(>.hit)>.head{fill:var(--now)}',
  '.lm .hit>.ring,.lm g:has(>.hit)>.ring{stroke:var(--now)}',
  '.lm .hit>.label{fill:var(--nowBox);stroke:var(--now)}',
  '.lm g:has(>.hit)>.label{stroke:var(--now)}',
  '.lm .row.hit>text{fill:var(--guard)}',
].join('');

const sequenceCss = [
  '.lm .lane{stroke:var(--line);stroke-dasharray:3 3}',
  '.lm .actor{fill:var(--ground);stroke:var(--line)}',
  '.lm .pill{fill:var(--usedBox);stroke:var(--used)}',
  '.lm .message{fill:none;stroke:var(--invoke);stroke-width:1.2}',
  '.lm .arrow{fill:var(--invoke)}',
  '.lm .start{stroke:var(--soft);stroke-dasharray:2 3}',
  '.lm .startArrow{fill:var(--soft)}',
  '.lm .done{stroke:var(--used);stroke-dasharray:4 3}',
  '.lm .doneArrow{fill:var(--used)}',
  '.lm .failed{stroke:var(--error);stroke-dasharray:4 3}',
  '.lm .failedArrow{fill:var(--error)}',
  '.lm .doneText{fill:var(--used)}.lm .failedText{fill:var(--error)}.lm .startText{fill:var(--soft)}',
  '.lm .who{font-weight:400;fill-opacity:.75}',
  '.lm .thread{fill:none;stroke:var(--soft);stroke-dasharray:1 3;stroke-linecap:round}',
  // Texts stand on lanes; bands catch clicks, and light the row that is shown.
  '.lm .rows text{paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}',
  '.lm .rows .strong,.lm .now>text{stroke:none}',
  '.lm .band{fill:none;pointer-events:all}.lm .now>.band{fill:var(--now);fill-opacity:.15}.lm .now>.pill,.lm .now>.thread{stroke:var(--now)}',
  '.lm .later{opacity:.3}',
].join('');

/** What every picture's shapes look like; classes say what a thing is, never how it looks. */
export const pictureCss = chartCss + sequenceCss;

/** The style element of one chart: it does not change with sequences, so charts that are kept do not either. */
export const chartStyle = `<style>${themeCss('.lm')}${chartCss}</style>`;

/** The style element of one picture. */
export const pictureStyle = `<style>${themeCss('.lm')}${pictureCss}</style>`;
