import { stripVTControlCharacters, styleText } from 'node:util';
import { printable, type Sink } from '../output.ts';

const columns = 80;
const indent = '   ';

const styles = {
  title: 'bold',
  good: 'green',
  bad: 'red',
  faint: 'dim',
  one: 'cyan',
  other: 'yellow',
} as const;

type Style = keyof typeof styles;

/** Shows the demo in 80 columns, line after line: on a terminal, in a pipe and in a file the same but for colours. */
export class Screen {
  readonly #stdout: Sink;
  readonly #colours: boolean;
  #column = 0;

  constructor(stdout: Sink, env: NodeJS.ProcessEnv) {
    this.#stdout = stdout;
    const isUnwanted = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
    this.#colours = stdout.isTTY === true && !isUnwanted;
  }

  /** A text in a style. */
  paint(style: Style, text: string): string {
    return this.#colours ? styleText(styles[style], text, { validateStream: false }) : text;
  }

  /** A line of its own, not indented. */
  line(text = ''): void {
    this.endFlow();
    this.#stdout.write(`${text}\n`);
  }

  /** The headline of a step. */
  step(number: number, text: string): void {
    this.line();
    this.line(this.paint('title', `${number}. ${text}`));
  }

  /** Something about the step, wrapped. */
  say(text: string): void {
    this.flow(text);
    this.endFlow();
  }

  /** Two columns: what it is, and the value. */
  field(name: string, value: string): void {
    const head = `${indent}${name.padEnd(14)} `;
    const room = columns - head.length;
    const lines = wrap(printable(value), room);
    this.line(`${this.paint('faint', head)}${lines.join(`\n${' '.repeat(head.length)}`)}`);
  }

  /** Cells below one another; the last one is as long as it is. */
  row(...cells: readonly (readonly [text: string, width: number])[]): void {
    this.line(`${indent}${cells.map(([text, width]) => pad(text, width)).join(' ')}`.trimEnd());
  }

  /** More of a running text, wrapped word by word as it comes. Each of its lines begins with the mark. */
  flow(text: string, { mark = '', style }: { readonly mark?: string; readonly style?: Style } = {}): void {
    for (const [, space = '', word = ''] of printable(text).matchAll(/(\s*)(\S{1,70})/g)) {
      const fits = this.#column + space.length + word.length <= columns;
      if (this.#column > 0 && !fits) this.endFlow();
      const lead = space === '' ? '' : ' ';
      this.#write(this.#column === 0 ? `${indent}${mark}` : lead, word, style);
    }
  }

  /** Ends a running text. */
  endFlow(): void {
    if (this.#column > 0) this.#stdout.write('\n');
    this.#column = 0;
  }

  #write(lead: string, word: string, style: Style | undefined): void {
    this.#column += lead.length + word.length;
    this.#stdout.write(lead + (style === undefined ? word : this.paint(style, word)));
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stripVTControlCharacters(text).length));
}

/** Lines of at most `width` characters; a word that is longer is cut. */
function wrap(text: string, width: number): string[] {
  const lines = [''];
  const pieces = text.split(/\s+/).flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'g')) ?? []);
  for (const piece of pieces) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = piece;
    else if (line.length + 1 + piece.length <= width) lines[lines.length - 1] = `${line} ${piece}`;
    else lines.push(piece);
  }
  return lines;
}
