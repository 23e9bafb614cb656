import type { LiveMachine } from '@lloom/inspector';
import type { Child, Model, Piece, Tools } from './types.ts';

/** Every machine that was seen at work: how many of it live, and in which states. */
export function drawMachines(tools: Tools, model: Model): readonly Child[] {
  const { h } = tools;

  /** Innermost states with how many are in them; those around others would count twice. */
  const spreadOf = ({ machine, inStates }: LiveMachine): { name: string; count: number }[] => {
    return tools
      .innermost(Object.keys(inStates))
      .map((id) => ({
        name: id.startsWith(`${machine}.`) ? id.slice(machine.length + 1) : id,
        count: inStates[id] ?? 0,
      }))
      .filter(({ count }) => count > 0)
      .toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  };

  /** Its length is a state's share of the living. */
  const bar = (share: number): Piece =>
    h(
      'svg',
      { class: 'share', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      h('rect', { width: Math.round(Math.min(1, share) * 100), height: 8 }),
    );

  const row = (machine: LiveMachine): Piece => {
    const spread = spreadOf(machine);
    const rest = spread.slice(4).reduce((sum, { count }) => sum + count, 0);
    return h(
      'tr',
      { key: machine.machine },
      h(
        'th',
        { scope: 'row' },
        tools.opener(
          { kind: 'machine', id: machine.machine },
          `Machine ${machine.machine}`,
          tools.cut(machine.machine, 40),
        ),
      ),
      h('td', { class: 'number', 'data-name': 'living' }, tools.count(machine.living)),
      h('td', { class: 'number', 'data-name': 'started' }, tools.count(machine.started)),
      h(
        'td',
        { class: 'states' },
        ...spread
          .slice(0, 4)
          .map(({ name, count }) =>
            h(
              'span',
              { key: name, class: 'part' },
              `${tools.cut(name, 36)} `,
              machine.living > 1 && h('b', {}, tools.count(count)),
              machine.living > 1 && bar(count / machine.living),
            ),
          ),
        rest > 0 && h('span', { class: 'soft' }, `${tools.count(rest)} in others`),
      ),
    );
  };

  const order = [...model.state.machines].toSorted(
    (a, b) => b.living - a.living || b.started - a.started || (a.machine < b.machine ? -1 : 1),
  );
  const shown = order.slice(0, model.choice.shown.machines);
  const living = order.reduce((sum, machine) => sum + machine.living, 0);
  return [
    h(
      'p',
      { class: 'soft said', key: 'count' },
      `${tools.counted(order.length, 'machine')}, ${tools.counted(living, 'living actor')}`,
      model.untold > 0 && `, ${tools.count(model.untold)} of them not followed`,
    ),
    order.length === 0
      ? tools.nothing('No machine was seen yet.')
      : h(
          'table',
          { class: 'machines', key: 'table' },
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              h('th', { scope: 'col' }, 'Machine'),
              h('th', { scope: 'col', class: 'number' }, 'Living'),
              h('th', { scope: 'col', class: 'number' }, 'Started'),
              h('th', { scope: 'col' }, 'States they are in'),
            ),
          ),
          h('tbody', {}, ...shown.map(row)),
        ),
    tools.more(order.length - shown.length, 'machine', () =>
      tools.choose((choice) => ({ shown: { ...choice.shown, machines: choice.shown.machines + 50 } })),
    ),
  ];
}
