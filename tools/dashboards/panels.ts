// What dashboards of Grafana are made of, in the schema of Grafana 10 and 11.

/** One query of a panel. */
export interface Query {
  /** PromQL; `{$` begins the labels that the variables of the dashboard choose. */
  readonly expr: string;
  /** How its lines are named. */
  readonly legend?: string;
}

/** What every panel says. */
export interface PanelConfig {
  readonly title: string;
  /** What is normal, and what to do when it is not. */
  readonly description: string;
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of the 24 columns of a dashboard. */
  readonly width?: number;
}

/** A panel without its place. */
export interface Panel {
  readonly width: number;
  readonly height: number;
  readonly model: Readonly<Record<string, unknown>>;
}

/** A part of a dashboard. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A dashboard. */
export interface DashboardConfig {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

const source = { type: 'prometheus', uid: '${DS_PROMETHEUS}' };
const target = 'job=~"$job", instance=~"$instance"';
const columns = 24;

/** Takes the labels that are chosen into an expression. Figures of a process are of no single node of it. */
const choose = (expr: string): string =>
  expr
    .replaceAll(/\b((?:nodejs|process)_\w+)\{\$/g, (_, family: string) => `${family}{${target}`)
    .replaceAll('{$', () => `{${target}, node=~"$node"`);

function targets({ queries }: PanelConfig, more: Readonly<Record<string, unknown>> = {}) {
  return queries.map(({ expr, legend = '' }, index) => ({
    datasource: source,
    editorMode: 'code',
    expr: choose(expr),
    legendFormat: legend,
    range: true,
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    ...more,
  }));
}

const head = ({ title, description }: PanelConfig) => ({ title, description, datasource: source });

/** Steps of colour: green at first, then orange and red from these values on; the other way round where less is worse. */
const thresholds = (warn?: number, bad?: number) => {
  const isLessWorse = warn !== undefined && bad !== undefined && bad < warn;
  const steps = isLessWorse
    ? [
        { color: 'red', value: null },
        { color: 'orange', value: bad },
        { color: 'green', value: warn },
      ]
    : [
        { color: 'green', value: null },
        ...(warn === undefined ? [] : [{ color: 'orange', value: warn }]),
        ...(bad === undefined ? [] : [{ color: 'red', value: bad }]),
      ];
  return { mode: 'absolute', steps };
};

/** One number. */
export function stat(config: PanelConfig & { readonly warn?: number; readonly bad?: number }): Panel {
  const { unit, width = 4, warn, bad } = config;
  const model = {
    type: 'stat',
    ...head(config),
    targets: targets(config),
    fieldConfig: {
      defaults: { unit, thresholds: thresholds(warn, bad), color: { mode: 'thresholds' } },
      overrides: [],
    },
    options: {
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      orientation: 'auto',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      textMode: 'auto',
    },
  };
  return { width, height: 4, model };
}

/** Lines over time. */
export function lines(config: PanelConfig & { readonly stacked?: boolean; readonly max?: number }): Panel {
  const { unit, width = 8, stacked = false, max } = config;
  const model = {
    type: 'timeseries',
    ...head(config),
    targets: targets(config),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max !== undefined && { max }),
        color: { mode: 'palette-classic' },
        custom: {
          drawStyle: 'line',
          fillOpacity: stacked ? 40 : 10,
          lineWidth: 1,
          showPoints: 'auto',
          spanNulls: false,
          stacking: { group: 'A', mode: stacked ? 'normal' : 'none' },
        },
      },
      overrides: [],
    },
    options: {
      legend: { calcs: ['lastNotNull', 'max'], displayMode: 'table', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
  return { width, height: 8, model };
}

/** How the values of a histogram are spread over time. */
export function heatmap(config: PanelConfig): Panel {
  const { unit, width = 8 } = config;
  const model = {
    type: 'heatmap',
    ...head(config),
    targets: targets(config, { format: 'heatmap' }),
    fieldConfig: {
      defaults: { unit, custom: { hideFrom: { legend: false, tooltip: false, viz: false } } },
      overrides: [],
    },
    options: {
      calculate: false,
      cellGap: 1,
      color: { mode: 'scheme', scheme: 'Oranges', exponent: 0.5, steps: 64, reverse: false },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: 'auto' },
      tooltip: { mode: 'single', showColorScale: false, yHistogram: false },
      yAxis: { axisPlacement: 'left', reverse: false, unit },
    },
  };
  return { width, height: 8, model };
}

/** What holds now, a line for each combination of labels. */
export function table(config: PanelConfig & { readonly hidden: readonly string[] }): Panel {
  const { unit, width = 24, hidden } = config;
  const excludeByName = Object.fromEntries(['Time', '__name__', ...hidden].map((name) => [name, true]));
  const model = {
    type: 'table',
    ...head(config),
    targets: targets(config, { format: 'table', instant: true, range: false }),
    fieldConfig: { defaults: { unit, custom: { align: 'auto', filterable: true } }, overrides: [] },
    options: { cellHeight: 'sm', showHeader: true },
    transformations: [{ id: 'organize', options: { excludeByName } }],
  };
  return { width, height: 6, model };
}

/** Gives each panel an id and a place: from left to right, and below when a line is full. */
function place(rows: readonly Row[]): unknown[] {
  let id = 0;
  let top = 0;
  return rows.flatMap(({ title, panels }) => {
    const placed: unknown[] = [
      {
        type: 'row',
        id: ++id,
        title,
        collapsed: false,
        gridPos: { x: 0, y: top, w: columns, h: 1 },
        panels: [],
      },
    ];
    top += 1;
    let left = 0;
    let tallest = 0;
    for (const { width, height, model } of panels) {
      if (left + width > columns) {
        top += tallest;
        left = 0;
        tallest = 0;
      }
      placed.push({ id: ++id, gridPos: { x: left, y: top, w: width, h: height }, ...model });
      left += width;
      tallest = Math.max(tallest, height);
    }
    top += tallest;
    return placed;
  });
}

const variable = (name: string, label: string, query: string) => ({
  name,
  label,
  type: 'query',
  datasource: source,
  definition: query,
  query: { query, refId: `${name}Values` },
  allValue: '.*',
  current: { selected: true, text: ['All'], value: ['$__all'] },
  includeAll: true,
  multi: true,
  refresh: 2,
  sort: 1,
});

/** The dashboard as Grafana imports it. */
export function dashboard({ uid, title, description, rows }: DashboardConfig): string {
  const model = {
    uid,
    title,
    description,
    tags: ['lloom'],
    annotations: { list: [] },
    editable: true,
    graphTooltip: 1,
    links: [
      {
        type: 'dashboards',
        title: 'Lloom',
        tags: ['lloom'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
      },
    ],
    panels: place(rows),
    refresh: '30s',
    schemaVersion: 39,
    templating: {
      list: [
        { name: 'DS_PROMETHEUS', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
        variable('job', 'Job', 'label_values(lloom_node_info, job)'),
        variable('instance', 'Instance', 'label_values(lloom_node_info{job=~"$job"}, instance)'),
        // Empty where each node has a registry of its own: all of them are chosen then.
        variable('node', 'Node', `label_values(lloom_node_info{${target}}, node)`),
      ],
    },
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    version: 1,
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
}

const each = 'instance, node';
const eachLegend = '{{instance}} {{node}}';

/** Lines for three quantiles of a histogram, of all that are chosen. */
export const quantiles = (family: string): Query[] =>
  [0.5, 0.95, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (rate(${family}_bucket{$}[$__rate_interval])))`,
    legend: `p${quantile * 100}`,
  }));

/** A line for each node with a quantile of a histogram. */
export const quantileOfEach = (quantile: number, family: string): Query => ({
  expr: `histogram_quantile(${quantile}, sum by (le, ${each}) (rate(${family}_bucket{$}[$__rate_interval])))`,
  legend: eachLegend,
});

/** The content of a histogram, for a heatmap. */
export const spread = (family: string): Query => ({
  expr: `sum by (le) (increase(${family}_bucket{$}[$__rate_interval]))`,
  legend: '{{le}}',
});

/** How fast a counter grows, all nodes together, a line for each value of a label. */
export const ratesBy = (label: string, family: string): Query => ({
  expr: `sum by (${label}) (rate(${family}{$}[$__rate_interval]))`,
  legend: `{{${label}}}`,
});

/** How fast a counter grows, a line for each node and, where one is given, each value of a label. */
export const ratesOfEach = (family: string, label?: string): Query => ({
  expr: `sum by (${label === undefined ? each : `${each}, ${label}`}) (rate(${family}{$}[$__rate_interval]))`,
  legend: label === undefined ? eachLegend : `${eachLegend} {{${label}}}`,
});

/** How fast a counter grows, everything together. */
export const rate = (family: string, legend = ''): Query => ({
  expr: `sum(rate(${family}{$}[$__rate_interval]))`,
  legend,
});

/** A gauge, a line for each node and, where one is given, each value of a label. */
export const ofEach = (family: string, label?: string): Query => ({
  expr: `sum by (${label === undefined ? each : `${each}, ${label}`}) (${family}{$})`,
  legend: label === undefined ? eachLegend : `${eachLegend} {{${label}}}`,
});

/** The share of requests that neither was answered nor given up by its caller. */
export const failedShare: Query = {
  expr: '1 - sum(rate(lloom_rpc_requests_total{$, outcome=~"answered|CANCELLED|STOPPED"}[$__rate_interval])) / sum(rate(lloom_rpc_requests_total{$}[$__rate_interval]))',
};
