type BrowserPart = (...input: never[]) => unknown;

/**
 * The text of a `<script>` that calls a function with data, and with the parts it is made of. Each of them must be
 * self-contained: what it uses of its module does not reach the browser.
 */
export function browserScript<Data, Parts extends Readonly<Record<string, BrowserPart>>>(
  main: (data: Data, parts: Parts) => void,
  data: Data,
  parts: Parts,
): string {
  const texts = Object.entries(parts).map(([name, part]) => `${JSON.stringify(name)}:${part.toString()}`);
  // Some bundlers wrap functions in a helper of this name, to keep what they are called.
  const helper = 'const __name=(part)=>part;';
  return inScript(`{${helper}(${main.toString()})(${dataText(data)},{${texts.join(',\n')}})}`);
}

/** A policy for a page that loads nothing and runs nothing but its own scripts; hashes need Node 22.3 or newer. */
export function contentPolicy(inline: {
  readonly scripts: readonly string[];
  readonly styles: readonly string[];
}): string {
  const scripts = inline.scripts.length === 0 ? "'none'" : sourcesOf(inline.scripts);
  return (
    `default-src 'none'; script-src ${scripts}; style-src ${sourcesOf(inline.styles)}; ` +
    "img-src data:; base-uri 'none'; form-action 'none'"
  );
}

/** Not imported, so that pages can be made where there is no Node, such as in a browser. */
function sourcesOf(texts: readonly string[]): string {
  const crypto = (globalThis as { process?: Partial<NodeJS.Process> }).process?.getBuiltinModule?.(
    'node:crypto',
  );
  if (crypto === undefined) return "'unsafe-inline'";
  return texts
    .map((text) => `'sha256-${crypto.createHash('sha256').update(text).digest('base64')}'`)
    .join(' ');
}

const lineEnds = /[\u2028\u2029]/g;

/** JSON that cannot end a script. */
function dataText(data: unknown): string {
  return JSON.stringify(data)
    .replaceAll('<', String.raw`\u003c`)
    .replaceAll(lineEnds, (end) => (end === '\u2028' ? String.raw`\u2028` : String.raw`\u2029`));
}

/** In the text of a function these can stand in strings and comments only, where the escape means the same. */
function inScript(text: string): string {
  return text.replaceAll(/<(?=\/script|!--)/gi, String.raw`\x3c`);
}
