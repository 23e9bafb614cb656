import { describe, expect, it } from 'vitest';
import { dashboardFiles } from './files.ts';

interface PanelModel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

interface DashboardModel {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly PanelModel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly allValue?: string }[] };
}

const dashboards = Object.values(dashboardFiles).map((text) => JSON.parse(text) as DashboardModel);

const overlap = ({ gridPos: a }: PanelModel, { gridPos: b }: PanelModel): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

it('dashboards have names of their own', () => {
  expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
  expect(new Set(dashboards.map(({ title }) => title)).size).toBe(dashboards.length);
});

describe.each(dashboards)('the dashboard $title', ({ panels, templating }) => {
  const shown = panels.filter(({ type }) => type !== 'row');

  it('says of each panel what it shows, in which unit, what is normal and what to do', () => {
    const silent = shown.filter(
      ({ title, description = '', fieldConfig, targets = [] }) =>
        title === '' ||
        description.length < 40 ||
        fieldConfig?.defaults.unit === undefined ||
        targets.length === 0,
    );
    expect(silent).toEqual([]);
  });

  it('asks for the chosen nodes alone', () => {
    const queries = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const selectors = queries.flatMap(
      (expr) => expr.match(/\b(?:lloom|libp2p|nodejs|process)_\w+\{[^}]*/g) ?? [],
    );
    expect(selectors.length).toBeGreaterThanOrEqual(queries.length - 1);
    const target = 'job=~"$job", instance=~"$instance"';
    const wrong = selectors.filter((selector) => {
      const isOfProcess = /^(?:nodejs|process)_/.test(selector);
      const wanted = isOfProcess ? `{${target}` : `{${target}, node=~"$node"`;
      return !selector.includes(wanted) || (isOfProcess && selector.includes('$node'));
    });
    expect(wrong).toEqual([]);
  });

  it('has jobs, instances and nodes chosen, at first all, also those without the label', () => {
    const chosen = templating.list.filter(({ name }) => name !== 'DS_PROMETHEUS');
    expect(chosen.map(({ name, allValue }) => [name, allValue])).toEqual(
      ['job', 'instance', 'node'].map((name) => [name, '.*']),
    );
  });

  it('shows panels side by side, in the width of a dashboard', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
    const overlapping = panels.filter((panel, index) =>
      panels.slice(index + 1).some((other) => overlap(panel, other)),
    );
    expect(overlapping).toEqual([]);
  });
});
