/** Says figures, times and names in few words. */
export interface Words {
  readonly count: (value: number) => string;
  /** "1 peer", "2 peers". */
  readonly counted: (value: number, one: string, many?: string) => string;
  readonly bytes: (value: number) => string;
  readonly duration: (ms: number) => string;
  /** How long ago or ahead, from one time to another in ms since 1970. */
  readonly between: (from: number, to: number) => string;
  /** The beginning and the end of a peer's or request's id. */
  readonly short: (id: string) => string;
  /** A text on one line, of at most some characters. */
  readonly cut: (text: string, maxLength?: number) => string;
  /** A figure with few digits. */
  readonly figure: (value: number) => string;
}

/** Says figures, times and names in few words. */
export function createWords(): Words {
  const whole = new Intl.NumberFormat('en');
  const few = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

  const count = (value: number): string => whole.format(Math.round(value));

  const figure = (value: number): string =>
    Math.abs(value) >= 1_000 ? whole.format(Math.round(value)) : few.format(value);

  const bytes = (value: number): string => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    let [rest, unit] = [Math.max(0, value), 0];
    while (rest >= 999.5 && unit < units.length - 1) [rest, unit] = [rest / 1_000, unit + 1];
    return `${unit === 0 ? Math.round(rest) : few.format(rest)} ${units[unit]}`;
  };

  const oneDecimal = (value: number): number =>
    value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
  const two = ([more, moreUnit]: [number, string], [less, lessUnit]: [number, string]): string =>
    less === 0 ? `${more} ${moreUnit}` : `${more} ${moreUnit} ${less} ${lessUnit}`;

  /** As `durationText` of the inspector rounds and writes it, and days. */
  const duration = (ms: number): string => {
    const time = Math.max(0, ms);
    if (time < 0.001) return '0 ms';
    if (time < 1) return `${Math.round(time * 1_000)} µs`;
    if (time < 1_000) return `${oneDecimal(time)} ms`;
    if (time < 60_000) return `${oneDecimal(time / 1_000)} s`;
    const seconds = Math.round(time / 1_000);
    if (seconds < 3_600) return two([Math.floor(seconds / 60), 'min'], [seconds % 60, 's']);
    const minutes = Math.round(seconds / 60);
    if (minutes < 48 * 60) return two([Math.floor(minutes / 60), 'h'], [minutes % 60, 'min']);
    const hours = Math.round(minutes / 60);
    return two([Math.floor(hours / 24), 'd'], [hours % 24, 'h']);
  };

  const cut = (text: string, maxLength = 80): string => {
    const characters = Array.from(text.slice(0, maxLength * 2 + 2));
    if (characters.length <= maxLength) return text;
    return `${characters.slice(0, maxLength - 1).join('')}…`;
  };

  return {
    count,
    counted: (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`,
    bytes,
    duration,
    between: (from, to) => duration(Math.abs(to - from)),
    short: (id) => (id.length <= 14 ? id : `${id.slice(0, 5)}…${id.slice(-6)}`),
    cut,
    figure,
  };
}
