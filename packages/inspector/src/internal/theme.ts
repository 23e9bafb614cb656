const light = {
  ground: '#ffffff',
  panel: '#f5f6fa',
  box: '#ffffff',
  ink: '#1f2328',
  soft: '#6e7380',
  line: '#c3c7d1',
  used: '#0d9b6b',
  usedBox: '#e7f6ef',
  guard: '#b25c09',
  invoke: '#3c53cf',
  error: '#c0282d',
};

const dark: typeof light = {
  ground: '#15161b',
  panel: '#191b22',
  box: '#1e2028',
  ink: '#e8e9ed',
  soft: '#9296a3',
  line: '#454957',
  used: '#31c48d',
  usedBox: '#10302a',
  guard: '#e8a34c',
  invoke: '#93a4ff',
  error: '#ff7b7b',
};

const variables = (colours: typeof light): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/** The colours of pictures and pages, light or dark as the reader's system asks. */
export const themeCss = (selector: string): string =>
  `${selector}{${variables(light)}}@media (prefers-color-scheme:dark){${selector}{${variables(dark)}}}`;

export const fontFamily = "Inter,Helvetica,Arial,'Liberation Sans',sans-serif";

/** What every picture's shapes look like; classes say what a thing is, never how it looks. */
const pictureCss = [
  `.lm{font-family:${fontFamily};background:var(--ground)}`,
  '.lm text{fill:var(--ink);font-size:11px}',
  '.lm .ground{fill:var(--ground)}',
  '.lm .state{fill:var(--box);stroke:var(--line);stroke-dasharray:3 3}',
  '.lm .group{fill:var(--panel);stroke:var(--line);stroke-dasharray:3 3}',
  '.lm .used>.state{fill:var(--usedBox);stroke:var(--used);stroke-width:1.5;stroke-dasharray:none}',
  '.lm .used>.group{stroke:var(--used);stroke-width:1.5;stroke-dasharray:none}',
  '.lm .used>.region{stroke-dasharray:5 3;stroke-width:1.2}',
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
  '.lm .unused text{fill:var(--soft)}',
  '.lm .unused .tried{fill:var(--guard)}',
  '.lm .edge{fill:none;stroke:var(--line);stroke-width:1;stroke-dasharray:3 3}',
  '.lm .head{fill:var(--line)}',
  '.lm .used>.edge{stroke:var(--used);stroke-width:1.3;stroke-dasharray:none}',
  '.lm .often>.edge{stroke-width:2.2}',
  '.lm .used>.head{fill:var(--used)}',
  '.lm .label{fill:var(--ground);stroke:var(--line)}',
  '.lm .used>.label{fill:var(--usedBox);stroke:var(--used)}',
  '.lm .used>.event{font-weight:600}',
  '.lm .dot{fill:var(--ink)}',
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
].join('');

/** The style element of one picture. */
export const pictureStyle = `<style>${themeCss('.lm')}${pictureCss}</style>`;
