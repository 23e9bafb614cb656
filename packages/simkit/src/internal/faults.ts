import { SimkitError } from '../errors.ts';
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

  /**
   * Cuts both ways between every two groups.
   * @throws {SimkitError} `INVALID_ARGUMENT` for a host in two groups
   */
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

/** Whether two hosts are in different groups. */
function between(groups: readonly (readonly Host[])[]): Cut {
  const groupOf = new Map<Host, number>();
  for (const [group, hosts] of groups.entries()) {
    for (const host of hosts) {
      if ((groupOf.get(host) ?? group) !== group) {
        const [act, got] = ['cut nodes off', `${host.name} in two groups`];
        throw new SimkitError('INVALID_ARGUMENT', { act, got, wanted: 'each node in one group at most' });
      }
      groupOf.set(host, group);
    }
  }
  return (from, to) => {
    const [source, target] = [groupOf.get(from), groupOf.get(to)];
    if (from === to || source === undefined || target === undefined) return false;
    return source !== target;
  };
}
