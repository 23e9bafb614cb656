import type { Log, LogLevel } from '@lloom/transport';

/** The levels, from silent to loud. */
const order: readonly LogLevel[] = ['off', 'error', 'info', 'debug', 'trace'];

/** Levels by component. */
type Levels = ReadonlyMap<string, LogLevel>;

/** What a node logs: what was set, and beyond that what somebody wants for a while. */
export class RaisedLevels {
  readonly #log: Pick<Log, 'levels' | 'setLevel'>;
  readonly #set: Map<string, LogLevel>;
  readonly #wanted = new Map<string, Levels>();

  constructor(log: Pick<Log, 'levels' | 'setLevel'>) {
    this.#log = log;
    this.#set = new Map(log.levels);
  }

  /** @throws {ConfigError} for a level or a component that is none */
  set(level: LogLevel, component: string): void {
    // First: it says what is wrong.
    this.#log.setLevel(level, component);
    this.#set.set(component, level);
    this.#apply();
  }

  /**
   * Has components, and what is beneath them, logged at these levels at least.
   *
   * @param by who wants it: whatever was wanted before ends
   * @throws {ConfigError} for a component that is none
   */
  raise(by: string, levels: Levels): void {
    for (const [component, level] of levels) this.#log.setLevel(level, component);
    this.#wanted.set(by, levels);
    this.#apply();
  }

  /** Nothing is wanted any more. */
  lower(by: string): void {
    if (this.#wanted.delete(by)) this.#apply();
  }

  #apply(): void {
    const wanted = [...this.#wanted.values()].flatMap((levels) => [...levels]);
    const components = new Set([...this.#set.keys(), ...wanted.map(([component]) => component)]);
    for (const component of this.#log.levels.keys())
      if (!components.has(component)) this.#log.setLevel(undefined, component);
    for (const component of components) {
      const raised = wanted.filter(([name]) => isWithin(component, name)).map(([, level]) => level);
      this.#log.setLevel(loudest([this.#setFor(component), ...raised]), component);
    }
  }

  #setFor(component: string): LogLevel {
    const names = [...this.#set.keys()].filter((name) => isWithin(component, name));
    const longest = names.reduce((found, name) => (name.length > found.length ? name : found), '');
    return this.#set.get(longest) ?? 'off';
  }
}

const isWithin = (component: string, name: string): boolean =>
  name === '' || component === name || component.startsWith(`${name}:`);

const loudest = (levels: readonly LogLevel[]): LogLevel =>
  levels.reduce((found, level) => (order.indexOf(level) > order.indexOf(found) ? level : found));
