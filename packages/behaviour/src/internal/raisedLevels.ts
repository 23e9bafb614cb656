import type { Log, LogLevel } from '@lloom/transport';

/** The levels, from silent to loud. */
const order: readonly LogLevel[] = ['off', 'error', 'info', 'debug', 'trace'];

/** For how many components a user may set a level: the log itself has room for more, which others want for a while. */
export const maxSetComponents = 256;

/** Levels by component. */
type Levels = ReadonlyMap<string, LogLevel>;

/** What a node logs: what was set, and beyond that what somebody wants for a while. */
export class RaisedLevels {
  readonly #log: Pick<Log, 'levels' | 'setLevel'>;
  readonly #initial: Levels;
  readonly #set: Map<string, LogLevel>;
  readonly #wanted = new Map<string, Levels>();

  constructor(log: Pick<Log, 'levels' | 'setLevel'>) {
    this.#log = log;
    this.#initial = new Map(log.levels);
    this.#set = new Map(log.levels);
  }

  /** Whether a level may be set for one more component, or for this one again. */
  hasRoomFor(component: string): boolean {
    return this.#set.size < maxSetComponents || this.#set.has(component);
  }

  /**
   * @param level `undefined`: as it was at first
   * @throws {ConfigError} for a level or a component that is none
   */
  set(level: LogLevel | undefined, component: string): void {
    const wanted = level ?? this.#initial.get(component);
    // First: it says what is wrong.
    this.#log.setLevel(wanted, component);
    if (wanted === undefined) this.#set.delete(component);
    else this.#set.set(component, wanted);
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
      const level = loudest([this.#setFor(component), ...raised]);
      if (this.#log.levels.get(component) !== level) this.#log.setLevel(level, component);
    }
  }

  #setFor(component: string): LogLevel {
    for (let name = component; ; name = name.slice(0, Math.max(0, name.lastIndexOf(':')))) {
      const level = this.#set.get(name);
      if (level !== undefined || name === '') return level ?? 'off';
    }
  }
}

const isWithin = (component: string, name: string): boolean =>
  name === '' || component === name || component.startsWith(`${name}:`);

const loudest = (levels: readonly LogLevel[]): LogLevel =>
  levels.reduce((found, level) => (order.indexOf(level) > order.indexOf(found) ? level : found));
