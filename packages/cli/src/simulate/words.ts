import type { SimulationReport } from '@lloom/simulator';
import type { SimulateOptions } from './simulate.ts';

const lineLength = 80;
const hashLength = 12;

/** A scenario in a list: its name, and beside it what it shows, in lines of at most 80 characters. */
export function descriptionLines(entry: {
  readonly name: string;
  readonly description: string;
  /** How long the longest name is. */
  readonly width: number;
}): string[] {
  const { name, description, width } = entry;
  const indent = width + 2;
  const lines: string[] = [];
  for (const word of description.split(/\s+/)) {
    const last = lines.at(-1);
    const fits = last !== undefined && indent + last.length + 1 + word.length <= lineLength;
    if (fits) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, index) => `${(index === 0 ? name : '').padEnd(indent)}${line}`);
}

/** What came of one seed of many. */
export function resultLine({ seed, properties, traceHash }: SimulationReport): string {
  const failed = properties.filter(({ holds, isDecided }) => isDecided && !holds);
  const verdict = failed.length === 0 ? 'ok  ' : 'fail';
  const detail = failed.length === 0 ? '' : `  ${failed.map(({ what }) => what).join('; ')}`;
  return `${verdict}  seed ${seed}  trace ${traceHash.slice(0, hashLength)}${detail}`;
}

/** The command that shows a run again. */
export function commandOf(options: SimulateOptions): string {
  const { scenario = '', seed, nodes, duration, fidelity } = options;
  const args = [
    `--scenario ${quoted(scenario)}`,
    `--seed ${seed}`,
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(duration === undefined ? [] : [`--duration ${durationText(duration)}`]),
    ...(fidelity === undefined ? [] : [`--fidelity ${fidelity}`]),
  ];
  return `lloom simulate ${args.join(' ')}`;
}

/** As the option takes it. */
const durationText = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`);

/** As a shell takes it. */
const quoted = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
