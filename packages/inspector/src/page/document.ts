import { contentPolicy } from '../internal/browserScript.ts';
import { escapeText } from '../internal/svgText.ts';
import { pageCss } from './style.ts';

/** What a page consists of. */
export interface PageParts {
  readonly title: string;
  /** What is between the tags of `<body>`. Styles of pictures in it are moved to the head. */
  readonly body: string;
  /** The text of its script. */
  readonly script: string;
}

const pictureStyle = /<style>([^<]*)<\/style>\n?/g;

/** A page in the colours of the pictures, which loads nothing and runs no script but its own. */
export function documentHtml({ title, body, script }: PageParts): string {
  // All pictures look alike, and a policy can name one style better than many.
  const styles = new Set([...body.matchAll(pictureStyle)].map((match) => match[1] ?? ''));
  const style = [...styles, pageCss].join('\n');
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${contentPolicy({ scripts: [script], styles: [style] })}">`,
    '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">',
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
    `<title>${escapeText(title)}</title>`,
    `<style>${style}</style></head><body>`,
    body.replaceAll(pictureStyle, ''),
    `<script>${script}</script></body></html>\n`,
  ].join('\n');
}
