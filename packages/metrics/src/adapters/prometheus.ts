import type { Metric, Registry } from 'prom-client';
import type { Exposition } from '../internal/exposition.ts';
import type { Family, FamilyType, Sample } from '../internal/family.ts';
import { promClient } from './promClient.ts';

/** By this a family is known as one that nodes can share, also one of another copy of this package. */
const shareable: unique symbol = Symbol.for('@lloom/metrics: shared family') as never;

/** A node's figures of a family. */
interface Source {
  readonly family: Family;
  /** The label `node` of its samples; none in a registry of its own. */
  readonly node: string | undefined;
}

interface PromSample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One family of a registry, with the figures of every node that shows it. What prom-client needs of a metric. */
class SharedFamily {
  readonly [shareable] = true;
  readonly aggregator = 'sum';
  readonly help: string;
  readonly type: FamilyType;
  /** A registry of the OpenMetrics format takes the end `_total` off. */
  name: string;
  readonly #sources = new Map<object, Source>();

  constructor({ name, help, type }: Family) {
    this.name = name;
    this.help = help;
    this.type = type;
  }

  get nodes(): (string | undefined)[] {
    return [...this.#sources.values()].map(({ node }) => node);
  }

  add(owner: object, source: Source): void {
    this.#sources.set(owner, source);
  }

  /** @returns whether anybody shows it still */
  remove(owner: object): boolean {
    this.#sources.delete(owner);
    return this.#sources.size > 0;
  }

  async get() {
    const { aggregator, help, name, type } = this;
    const values = await Promise.all([...this.#sources.values()].map(async (source) => this.#read(source)));
    return { name, help, type, aggregator, values: values.flat() };
  }

  reset(): void {
    for (const { family } of this.#sources.values()) family.reset();
  }

  async #read({ family, node }: Source): Promise<PromSample[]> {
    const own = node === undefined ? {} : { node };
    const toProm = ({ suffix = '', labels, value }: Sample): PromSample => ({
      metricName: `${this.name}${suffix}`,
      labels: { ...labels, ...own },
      value,
    });
    try {
      return (await family.read()).map(toProm);
    } catch {
      // One that cannot be read must not keep the others from being read.
      return [];
    }
  }
}

const isShareable = (metric: object | undefined): metric is SharedFamily =>
  metric !== undefined && shareable in metric;

/** The families of one node in a registry. */
class NodeExposition implements Exposition {
  readonly #families: Family[] = [];
  readonly #isShared: boolean;
  readonly #shown = new Map<string, SharedFamily>();
  #registry: Registry | undefined;
  #isShown = false;
  #node: string | undefined;

  constructor(given: Registry | undefined) {
    this.#registry = given;
    this.#isShared = given !== undefined;
  }

  /** One of the node's own is made when somebody looks. */
  get registry(): Registry {
    if (this.#registry === undefined) {
      this.#registry = new (promClient().Registry)();
      this.#isShown = true;
      for (const family of this.#families) this.#show(family);
    }
    return this.#registry;
  }

  readonly add = (family: Family): void => {
    this.#families.push(family);
    if (this.#isShown) this.#show(family);
  };

  readonly show = (node: string): void => {
    if (!this.#isShared || this.#isShown) return;
    this.#isShown = true;
    this.#node = this.#free(node);
    for (const family of this.#families) this.#show(family);
  };

  readonly hide = (): void => {
    if (!this.#isShared) return;
    this.#isShown = false;
    for (const [name, shown] of this.#shown) {
      const isLast = !shown.remove(this);
      if (isLast && this.#find(name) === shown) this.registry.removeSingleMetric(name);
    }
    this.#shown.clear();
  };

  #show(family: Family): void {
    const known = this.#find(family.name);
    // What somebody else has registered by that name stays as it is.
    if (known !== undefined && (!isShareable(known) || known.type !== family.type)) return;
    const shown = known ?? new SharedFamily(family);
    shown.add(this, { family, node: this.#node });
    this.#shown.set(family.name, shown);
    if (known === undefined) this.registry.registerMetric(shown as unknown as Metric);
  }

  #find(name: string): object | undefined {
    return this.registry.getSingleMetric(name);
  }

  /** A name that no node of the registry has: two with one name would give one sample twice, which Prometheus refuses. */
  #free(node: string): string {
    const taken = new Set(
      this.#families.flatMap(({ name }) => {
        const known = this.#find(name);
        return isShareable(known) ? known.nodes : [];
      }),
    );
    let free = node;
    for (let count = 2; taken.has(free); count++) free = `${node}-${count}`;
    return free;
  }
}

/** Shows the figures of a node in a registry: the given one, which nodes may share, or one of its own. */
export const expose = (registry: Registry | undefined): Exposition => new NodeExposition(registry);
