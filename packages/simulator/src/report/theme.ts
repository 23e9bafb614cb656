/** Every pair of a text and its ground is at least 4.5 to 1, every mark in a picture at least 3 to 1. */
export interface Colours {
  readonly ground: string;
  readonly panel: string;
  readonly box: string;
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly grid: string;
  readonly good: string;
  readonly goodInk: string;
  readonly goodBox: string;
  readonly bad: string;
  readonly badInk: string;
  readonly badBox: string;
  readonly blue: string;
  readonly amber: string;
  readonly violet: string;
  readonly fault: string;
  readonly link: string;
}

export const light: Colours = {
  ground: '#ffffff',
  panel: '#f5f6fa',
  box: '#ffffff',
  ink: '#1f2328',
  soft: '#5a5f6c',
  line: '#c9cdd6',
  grid: '#e6e8ee',
  good: '#0d8f63',
  goodInk: '#07684a',
  goodBox: '#e7f6ef',
  bad: '#c0282d',
  badInk: '#a81f24',
  badBox: '#fdecec',
  blue: '#3c53cf',
  amber: '#b25c09',
  violet: '#8a3fb5',
  fault: '#a25004',
  link: '#8f96a8',
};

export const dark: Colours = {
  ground: '#15161b',
  panel: '#1b1d25',
  box: '#1e2029',
  ink: '#e8e9ed',
  soft: '#a3a7b4',
  line: '#3d414e',
  grid: '#2a2d37',
  good: '#31c48d',
  goodInk: '#4ad6a2',
  goodBox: '#10302a',
  bad: '#ff7b7b',
  badInk: '#ff9797',
  badBox: '#3a1c20',
  blue: '#93a4ff',
  amber: '#e8a34c',
  violet: '#d49bf0',
  fault: '#e8a34c',
  link: '#6b7184',
};

const variables = (colours: Colours): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/** Light or dark as the reader's system asks, or as the page's own switch says; light on paper. */
export const themeCss = [
  `:root{color-scheme:light;${variables(light)}}`,
  `@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;${variables(dark)}}}`,
  `@media screen{:root[data-theme=dark]{color-scheme:dark;${variables(dark)}}}`,
].join('\n');
