import { resolveLink, type LinkConfig } from '../link.ts';
import type { RunningTrace } from '../trace.ts';
import type { Fabric, Host, Lane } from './fabric.ts';

/** Every lane of a fabric that a fault concerns, and the record of it. */
export class Faults {
  readonly #fabric: Fabric;
  readonly #trace: RunningTrace;
  readonly #partitions = new Set<string>();
  #count = 0;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
    this.#trace = fabric.trace;
  }

  /** Cuts both ways between every two groups. */
  partition(groups: readonly (readonly Host[])[]): () => void {
    const text = groups.map((group) => group.map(({ name }) => name).join(' ')).join(' | ');
    const lanes = groups.flatMap((from) =>
      groups.filter((to) => to !== from).flatMap((to) => this.#between(from, to)),
    );
    return this.#cut(`partition ${text}`, lanes);
  }

  /** Cuts one way. */
  oneWay(from: readonly Host[], to: readonly Host[]): () => void {
    const [source, target] = [from, to].map((group) => group.map(({ name }) => name).join(' '));
    return this.#cut(`partition ${source} > ${target}`, this.#between(from, to));
  }

  /** Cuts a host off everything, beyond what {@link heal} lifts. */
  unplug(host: Host): void {
    for (const lane of this.#around(host)) lane.cut(`off ${host.name}`);
  }

  /** Undoes {@link unplug}. */
  plug(host: Host): void {
    for (const lane of this.#around(host)) lane.mend(`off ${host.name}`);
  }

  /** Lifts every partition. */
  heal(): void {
    this.#trace.note('heal');
    for (const lane of this.#fabric.lanes()) {
      for (const name of this.#partitions) lane.mend(name);
    }
    this.#partitions.clear();
  }

  /** Holds back, or lets pass, what two hosts send each other. */
  hold(a: Host, b: Host, isHeld: boolean): void {
    this.#trace.note(`${isHeld ? 'hold' : 'release'} ${a.name} ${b.name}`);
    for (const lane of [this.#fabric.lane(a, b), this.#fabric.lane(b, a)]) {
      lane.hold(isHeld);
    }
  }

  /** Changes both lanes between two hosts. */
  setLink(a: Host, b: Host, link: LinkConfig): void {
    this.#trace.note(`link ${a.name} ${b.name} ${JSON.stringify(link)}`);
    for (const lane of [this.#fabric.lane(a, b), this.#fabric.lane(b, a)]) {
      lane.link = resolveLink(link, lane.link);
    }
  }

  #cut(text: string, lanes: readonly Lane[]): () => void {
    const name = `${this.#count++} ${text}`;
    this.#trace.note(text);
    this.#partitions.add(name);
    for (const lane of lanes) lane.cut(name);
    return () => {
      if (!this.#partitions.delete(name)) return;
      this.#trace.note(`lift ${text}`);
      for (const lane of lanes) lane.mend(name);
    };
  }

  #between(from: readonly Host[], to: readonly Host[]): Lane[] {
    return from.flatMap((a) => to.filter((b) => b !== a).map((b) => this.#fabric.lane(a, b)));
  }

  #around(host: Host): Lane[] {
    const others = [...this.#fabric.hosts.values()].filter((other) => other !== host);
    return others.flatMap((other) => [this.#fabric.lane(host, other), this.#fabric.lane(other, host)]);
  }
}
