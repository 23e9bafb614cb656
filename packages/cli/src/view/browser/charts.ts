import type { Piece, Tools } from './types.ts';

/** What is lit in a chart. */
export interface Light {
  /** Ids of the states that are active, each with how many actors are in it; 0 where that is not told. */
  readonly states: ReadonlyMap<string, number>;
  /** Keys of the transitions that were taken last. */
  readonly hits: ReadonlySet<string>;
  /** Keys of those that were taken before. */
  readonly taken: ReadonlySet<string>;
}

/** Charts of machines, fetched once each. */
export interface Charts {
  readonly draw: (machine: string, light: Light, isFullSize: boolean) => Piece;
}

/** Fetches charts as the node draws them, and lights them. `urlOf` says where the chart of a machine is. */
export function createCharts({ h }: Tools, urlOf: (machine: string) => string): Charts {
  const maxCharts = 100;
  const charts = new Map<string, Promise<Element | string>>();
  const shown = new WeakMap<Element, { readonly machine: string; readonly light: Light }>();

  const load = async (machine: string): Promise<Element | string> => {
    try {
      const answer = await fetch(urlOf(machine));
      if (!answer.ok) throw new Error(`the node answered ${answer.status}`);
      // How pictures look is said by the page, whose policy refuses other styles.
      const text = (await answer.text()).replaceAll(/<style>[^<]*<\/style>/g, '');
      const root = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
      if (root.localName !== 'svg') throw new Error('what the node sent is no picture');
      return root;
    } catch (error) {
      charts.delete(machine);
      return `The chart cannot be had: ${error instanceof Error ? error.message : String(error)}.`;
    }
  };

  const get = (machine: string): Promise<Element | string> => {
    const known = charts.get(machine);
    if (known !== undefined) return known;
    const [oldest] = charts.keys();
    if (charts.size >= maxCharts && oldest !== undefined) charts.delete(oldest);
    const loading = load(machine);
    charts.set(machine, loading);
    return loading;
  };

  /** How many are in a state, at the upper right corner of its box. */
  const tell = (group: Element, count: number): void => {
    const own = [...group.children].find((child) => child.classList.contains('living'));
    if (count === 0) return own?.remove();
    const label = own ?? document.createElementNS('http://www.w3.org/2000/svg', 'text');
    const box = group.querySelector('rect');
    if (box === null) return;
    const [x, y, width] = ['x', 'y', 'width'].map((name) => Number(box.getAttribute(name))) as [
      number,
      number,
      number,
    ];
    label.setAttribute('class', 'living');
    label.setAttribute('x', String(x + width));
    label.setAttribute('y', String(y - 3));
    label.setAttribute('text-anchor', 'end');
    if (label.textContent !== String(count)) label.textContent = String(count);
    if (own === undefined) group.append(label);
  };

  const lightUp = (root: Element, { states, hits, taken }: Light): void => {
    for (const group of root.querySelectorAll('[data-state]')) {
      const id = group.getAttribute('data-state') ?? '';
      group.classList.toggle('now', states.has(id));
      tell(group, states.get(id) ?? 0);
    }
    for (const group of root.querySelectorAll('[data-transition]')) {
      const key = group.getAttribute('data-transition') ?? '';
      group.classList.toggle('hit', hits.has(key));
      group.classList.toggle('used', taken.has(key) || hits.has(key));
    }
  };

  const show = (host: Element, machine: string, light: Light): void => {
    const isSame = shown.get(host)?.machine === machine;
    shown.set(host, { machine, light });
    if (isSame) {
      const root = host.querySelector('svg');
      if (root !== null) lightUp(root, light);
      return;
    }
    host.textContent = 'Drawing…';
    void fill(host, machine);
  };

  const fill = async (host: Element, machine: string): Promise<void> => {
    const chart = await get(machine);
    const now = shown.get(host);
    if (now?.machine !== machine) return;
    if (typeof chart === 'string') {
      host.textContent = chart;
      return;
    }
    const root = document.importNode(chart, true);
    host.replaceChildren(root);
    lightUp(root, now.light);
  };

  return {
    draw: (machine, light, isFullSize) =>
      h('div', {
        key: `chart ${machine}`,
        class: isFullSize ? 'chart full' : 'chart',
        tabindex: '0',
        role: 'group',
        'aria-label': `Chart of ${machine}`,
        host: (host) => show(host, machine, light),
      }),
  };
}
