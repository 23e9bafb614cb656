import { resolveLink, type LinkConfig } from '../link.ts';
import type { Cut } from './cuts.ts';
import type { Fabric, Host } from './fabric.ts';

/** The faults that may befall the lanes of a fabric, and the record of them. */
export class Faults {
  readonly #fabric: Fabric;
  #count = 0;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** Cuts both ways between every two groups. */
  partition(groups: readonly (readonly Host[])[]): () => void {
    const text = groups.map((group) => namesOf(group)).join(' | ');
    return this.#cut(`partition ${text}`, between(groups));
  }

  /** Cuts one way. */
  oneWay(from: readonly Host[], to: readonly Host[]): () => void {
    const [sources, targets] = [new Set(from), new Set(to)];
    const cut: Cut = (source, target) => source !== target && sources.has(source) && targets.has(target);
    return this.#cut(`partition ${namesOf(from)} > ${namesOf(to)}`, cut);
  }

  /** Cuts a host off everything, beyond what {@link heal} lifts. */
  unplug(host: Host): void {
    this.#fabric.cuts.switch(host, true);
  }

  /** Undoes {@link unplug}. */
  plug(host: Host): void {
    this.#fabric.cuts.switch(host, false);
  }

  /** Lifts every partition. */
  heal(): void {
    this.#fabric.trace.note('heal');
    this.#fabric.cuts.clear();
  }

  /** Holds back, or lets pass, what two hosts send each other. */
  hold(a: Host, b: Host, isHeld: boolean): void {
    this.#fabric.trace.note(`${isHeld ? 'hold' : 'release'} ${a.name} ${b.name}`);
    for (const lane of [this.#fabric.lane(a, b), this.#fabric.lane(b, a)]) {
      lane.hold(isHeld);
    }
  }

  /** Changes both lanes between two hosts. */
  setLink(a: Host, b: Host, link: LinkConfig): void {
    this.#fabric.trace.note(`link ${a.name} ${b.name} ${JSON.stringify(link)}`);
    for (const lane of [this.#fabric.lane(a, b), this.#fabric.lane(b, a)]) {
      lane.link = resolveLink(link, lane.link);
    }
  }

  #cut(text: string, cut: Cut): () => void {
    const { cuts, trace } = this.#fabric;
    const name = `${this.#count++}`;
    trace.note(text);
    cuts.add(name, cut);
    return () => {
      if (!cuts.has(name)) return;
      trace.note(`lift ${text}`);
      cuts.delete(name);
    };
  }
}

const namesOf = (hosts: readonly Host[]): string => hosts.map(({ name }) => name).join(' ');

/** In the place of a group, for a host that is in several. */
const several = -1;

/** Whether two hosts are in different groups. One that is in several groups is cut off from all of them. */
function between(groups: readonly (readonly Host[])[]): Cut {
  const groupOf = new Map<Host, number>();
  for (const [group, hosts] of groups.entries()) {
    for (const host of hosts) {
      const before = groupOf.get(host);
      groupOf.set(host, before === undefined || before === group ? group : several);
    }
  }
  return (from, to) => {
    const [source, target] = [groupOf.get(from), groupOf.get(to)];
    if (from === to || source === undefined || target === undefined) return false;
    return source !== target || source === several;
  };
}
