import { createHash } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import schema from '../schemas/report.v1.json' with { type: 'json' };
import { reportHtml } from '../src/report/html.ts';
import { reportText } from '../src/report/text.ts';
import { dark, light } from '../src/report/theme.ts';
import type { SimulationReport } from '../src/report/types.ts';
import { biggestReport, emptyReport, hostile, hostileReport, partitionReport } from './reportFixture.ts';

const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);
const problems = (report: unknown): unknown => {
  validate(report);
  return validate.errors ?? [];
};

const partition = partitionReport();
const page = reportHtml(partition);
const failing: SimulationReport = {
  ...partition,
  properties: partition.properties.map((property, place) => ({ ...property, holds: place !== 1 })),
};
/** Elements with a src, and what scripts and styles could load. */
const loads =
  /<(?:img|iframe|link|object|embed|base|form)\b(?! rel="icon" href="data:,")|\bsrc=|url\((?!#)|@import/;

describe('the schema of reports', () => {
  test('describes reports of small, large and no networks', () => {
    expect(problems(partition)).toEqual([]);
    expect(problems(emptyReport)).toEqual([]);
    expect(problems(partitionReport(200))).toEqual([]);
  });

  test('refuses what a report is not', () => {
    expect(problems({ ...partition, version: 2 })).toHaveLength(1);
    expect(problems({ ...partition, extra: 1 })).toHaveLength(1);
    expect(problems({ ...partition, gossipReach: [[1, 2]] })).toHaveLength(1);
    expect(problems({ ...partition, samples: [{ atMs: 0 }] })).not.toEqual([]);
  });
});

describe('the page of a report', () => {
  test('says first that all properties hold, or which do not', () => {
    expect(page).toContain('All 3 properties hold');
    const html = reportHtml(failing);
    expect(html).toContain('1 of 3 properties fails');
    const places = ['nobody pays more than was offered', 'every node is in the network', 'nine of ten'].map(
      (text) => html.indexOf(text),
    );
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(html.indexOf('nobody pays')).toBeLessThan(html.indexOf('In figures'));
    expect(reportHtml({ ...partition, properties: [] })).toContain('Nothing was demanded');
  });

  test('calls what is not decided neither good nor bad', () => {
    const properties = partition.properties.map((property, place) =>
      place === 1 ? { ...property, holds: false, isDecided: false } : property,
    );
    const html = reportHtml({ ...partition, properties });
    expect(html).toContain('2 of 3 properties hold, 1 not decided');
    expect(html).toContain('<span class="badge">not decided</span>');
    expect(html).not.toMatch(/<(?:section|li) class="(?:verdict )?bad"/);
    const text = reportText({ ...partition, properties });
    expect(text).toContain('Properties: 2 of 3 hold, 1 not decided');
    expect(text).toContain('  not decided  2 min');
    expect(problems({ ...partition, properties })).toEqual([]);
  });

  test('does not warn of a question that ran again where no property forbids it', () => {
    const requests = { ...partition.metrics.requests, duplicateExecutions: 2, overbilled: 0 };
    const html = reportHtml({ ...partition, metrics: { ...partition.metrics, requests } });
    expect(html).toContain('2 runs of a question already taken');
    expect(html).not.toContain('class="card bad"');
  });

  test('holds what ran, every event, every node and the command that repeats it', () => {
    for (const { text } of partition.timeline) expect(page).toContain(text);
    for (const { peerId } of partition.nodes) expect(page).toContain(peerId);
    expect(page).toContain('6 clients, 6 executors, 2 validators, 2 relays');
    expect(page).toContain('lloom simulate --scenario partition --seed 42');
    expect(page).toContain(partition.traceHash);
  });

  test('marks a fault in every picture over time, for as long as it lasted', () => {
    const plots = page
      .split('<figure')
      .filter((part) => part.includes('class="cursor"') || part.includes('id="each"'));
    expect(plots).toHaveLength(9);
    const bands = plots.map((plot) =>
      /<rect class="band" x="([\d.]+)"[^>]* width="([\d.]+)"/.exec(plot)?.slice(1),
    );
    // 40 s to 70 s of 120 s, on a plot that is 250 wide and begins at 40.
    for (const band of bands) expect(band?.map(Number)).toEqual([123.3, 62.5]);
  });

  test('names every picture and describes it in words', () => {
    const pictures = page.match(/<svg[^>]* role="img"[^>]*>/g) ?? [];
    expect(pictures.length).toBeGreaterThan(12);
    for (const picture of pictures) expect(picture).toMatch(/aria-label="[^"]+"|aria-labelledby="[^"]+"/);
    expect(page).toContain(
      'links: from 0 at the beginning to 42 at the end, between 0 and 42. Over 120 s of virtual time.',
    );
  });

  test('allows no script and no style but its own, and loads nothing', () => {
    const [, script = ''] = /<script>([^]*?)<\/script>/.exec(page) ?? [];
    const [, style = ''] = /<style>([^]*?)<\/style>/.exec(page) ?? [];
    const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const [, policy] = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(page) ?? [];
    expect(policy?.split('; ')).toEqual([
      "default-src 'none'",
      `script-src ${hash(script)}`,
      `style-src ${hash(style)}`,
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    for (const html of [page, reportHtml(hostileReport())]) {
      expect(html.replaceAll(/&lt;[^<]*|"say":\[[^\]]*\]/g, '')).not.toMatch(loads);
      expect(html).not.toMatch(/ (?:style|on\w+)="/);
    }
  });

  test('escapes every text of a report', () => {
    const html = reportHtml(hostileReport());
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).not.toContain('<img');
    expect(html).not.toContain('<svg onload');
    // oxlint-disable-next-line no-control-regex -- these must not be there
    expect(html).not.toMatch(/[\u0000-\u0008\u001b\u202e]|\p{Surrogate}/u);
    expect(html).toContain('&quot;&#39;&gt;&lt;script&gt;');
  });

  test('says where there is nothing to show', () => {
    const html = reportHtml(emptyReport);
    for (const text of [
      'No requests were asked.',
      'No messages were published.',
      'Nothing was done to the network.',
      'No topology was recorded.',
      'The network was never looked at.',
    ]) {
      expect(html).toContain(text);
    }
    expect(reportHtml({ ...partition, nodes: partitionReport(201).nodes })).toContain(
      'Networks of more than 200 nodes are not drawn: this one has 201.',
    );
  });

  test.each<[string, Partial<SimulationReport>]>([
    ['no duration', { durationMs: 0 }],
    ['one sample', { samples: partition.samples.slice(-1) }],
    ['one request', { requests: partition.requests.slice(0, 1), requestLatency: [[0, 1]] }],
    ['one node', { nodes: partition.nodes.slice(0, 1) }],
    [
      'values that are no numbers',
      {
        durationMs: Number.NaN,
        gossipReach: [[Number.NaN, Infinity]],
        samples: [{ ...partition.samples[1]!, up: Number.NaN, bytes: Infinity }],
      },
    ],
    [
      'events beyond the end',
      { timeline: [{ atMs: 9e9, untilMs: -1, kind: 'crash', text: 'late', nodes: [] }] },
    ],
  ])('draws only numbers with %s', (_, overrides) => {
    const html = reportHtml({ ...partition, ...overrides });
    // The page's own script may name them.
    expect(html.replace(/<script>[^]*/, '')).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('stays below 1.5 MB, and says what it leaves out', () => {
    const html = reportHtml(biggestReport());
    expect(Buffer.byteLength(html)).toBeLessThan(1_500_000);
    expect(html).toMatch(/5\u202f800 more events not shown/);
    expect(html).toContain('900 more properties not shown');
    expect(html).toContain('Of very many links only a part is drawn');
  });

  test('is the same for the same report', () => {
    expect(reportHtml(partitionReport())).toBe(page);
  });
});

/** The contrast of two colours as WCAG 2 defines it, from 1 to 21. */
function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [one, other]
    .map((colour) => {
      const [red = 0, green = 0, blue = 0] = [1, 3, 5]
        .map((place) => Number.parseInt(colour.slice(place, place + 2), 16) / 255)
        .map((value) => (value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .toSorted((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

describe.each([
  ['light', light],
  ['dark', dark],
])('the colours of a %s page', (_, colours) => {
  test('keep every text readable: 4.5 to 1', () => {
    const { ground, panel, box, ink, soft, fault, goodBox, goodInk, badBox, badInk } = colours;
    for (const back of [ground, panel, box]) {
      for (const text of [ink, soft, fault, badInk]) expect(contrast(text, back)).toBeGreaterThan(4.5);
    }
    for (const text of [ink, soft, goodInk]) expect(contrast(text, goodBox)).toBeGreaterThan(4.5);
    for (const text of [ink, soft, goodInk, badInk]) expect(contrast(text, badBox)).toBeGreaterThan(4.5);
  });

  test('keep every mark visible: 3 to 1', () => {
    const { panel, good, bad, blue, amber, violet, soft } = colours;
    for (const mark of [good, bad, blue, amber, violet, soft])
      expect(contrast(mark, panel)).toBeGreaterThan(3);
  });
});

describe('the summary of a report', () => {
  test('says what ran, what holds, what happened and how to run it again', () => {
    expect(reportText(failing)).toMatchInlineSnapshot(`
      "partition
      Half of the marketplace is cut off for half a minute. Clients go on with the executors that they
      still reach, and everybody finds everybody again.
      seed 42, fast, global: regions all over the planet, each pair with its own delay

      Properties: 1 of 3 failed
        FAIL  2 min       nobody pays more than was offered: overbilled is 0, wanted at most 0
        ok    1 min 11 s  every node is in the network again 30 s after the partition: connectedShare is
                          1, wanted at least 1 by 100 s
        ok    2 min       nine of ten requests are answered: answeredShare is 0.91, wanted at least 0.9

      Figures:
        time      2 min of virtual time
        nodes     16 of 16 up, 42 links, 100 % connected, 98.7 % know each other
        requests  400 asked, 372 answered (93 % of those ended), 28 failed, 0 pending
        failures  BUSY 11, TIMEOUT 9, UNREACHABLE 8
        latency   p50 1.4 s, p99 4.4 s; first token p50 312 ms
        work      402 executions, 0 runs of a question already taken; 0 billed too high; 18240 wei spent
        gossip    120 messages, reach 93.4 %, p50 118 ms, p99 240 ms
        traffic   4.99 MB in 61204 segments, 312 lost; 140 dials

      Timeline:
        0 s – 2 min              load       load0: 3.3 requests a second from all clients
        40 s – 1 min 10 s        partition  nodes with even numbers are cut off from the others
        1 min 18 s               pricing    e0 asks 3 wei inbound, 6 wei outbound
        1 min 25 s – 1 min 40 s  crash      crash without a goodbye
        1 min 40 s               restart    restart with what the disk held

      Trace: 48211 lines, hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      Again: lloom simulate --scenario partition --seed 42
      "
    `);
  });

  test('has no line of more than 100 characters and no control characters, whatever names hold', () => {
    const reports = [biggestReport(), hostileReport(), emptyReport];
    for (const line of reports.flatMap((report) => reportText(report).split('\n'))) {
      // The command stays on one line, for copying.
      expect(Array.from(line.replace(/^Again: .*/, '')).length).toBeLessThanOrEqual(100);
      // oxlint-disable-next-line no-control-regex -- these must not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u202e]|\p{Surrogate}/u);
    }
  });

  test('quotes the name of a scenario for a shell', () => {
    const text = reportText({ ...partition, name: "it's; rm *" });
    expect(text).toContain(String.raw`Again: lloom simulate --scenario 'it'\''s; rm *' --seed 42`);
    expect(reportText({ ...partition, name: hostile })).toContain(String.raw`--scenario '"'\''><script>`);
  });
});
