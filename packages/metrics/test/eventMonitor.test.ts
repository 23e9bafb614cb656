import { expect, it } from 'vitest';
import { EventMonitor } from '../src/index.ts';
import { samplesOf } from './nodes.ts';

it('counts events by their type, also as a listener that stands alone', () => {
  const monitor = new EventMonitor<{ readonly type: 'opened' | 'closed' }>();
  const { onEvent } = monitor;
  for (const type of ['opened', 'opened', 'closed'] as const) onEvent({ type });
  expect(monitor.statistics()).toEqual(
    new Map([
      ['opened', 2],
      ['closed', 1],
    ]),
  );
});

it('gives a copy: whoever changes it changes nothing', () => {
  const monitor = new EventMonitor();
  monitor.onEvent({ type: 'opened' });
  monitor.statistics().clear();
  expect(monitor.statistics().get('opened')).toBe(1);
});

it('tells 256 types apart, and counts the rest as other', () => {
  const monitor = new EventMonitor();
  for (let at = 0; at < 1_000; at++) monitor.onEvent({ type: `type ${at}` });
  const statistics = monitor.statistics();
  expect(statistics.size).toBe(257);
  expect(statistics.get('other')).toBe(1_000 - 256);
});

it('takes whatever it is handed, and counts as other what has no type that is a text', async () => {
  const monitor = new EventMonitor();
  const throwing = {
    get type(): string {
      throw new Error('made by the test');
    },
  };
  const given: unknown[] = [null, undefined, 5, {}, { type: 5 }, { type: null }, throwing];
  for (const event of given) monitor.onEvent(event as { type: string });
  expect(monitor.statistics()).toEqual(new Map([['other', given.length]]));
  expect(samplesOf(await monitor.exportPrometheusMetrics())).toEqual({
    'lloom_events_total{type="other"}': given.length,
  });
});

it('keeps 256 characters of a type', () => {
  const monitor = new EventMonitor();
  for (const end of ['a', 'b']) monitor.onEvent({ type: `${'x'.repeat(10_000)}${end}` });
  monitor.onEvent({ type: `${'y'.repeat(255)}😀` });
  expect(monitor.statistics()).toEqual(
    new Map([
      ['x'.repeat(256), 2],
      [`${'y'.repeat(255)}\uFFFD`, 1],
    ]),
  );
});

it('writes the text for Prometheus, in which no type can begin a line of its own', async () => {
  const monitor = new EventMonitor();
  expect(await monitor.exportPrometheusMetrics()).toBe(
    '# HELP lloom_events_total Events by their type.\n# TYPE lloom_events_total counter\n',
  );
  monitor.onEvent({ type: 'message:received' });
  monitor.onEvent({ type: 'a "b" \\\nfake_total 1' });
  expect(samplesOf(await monitor.exportPrometheusMetrics())).toEqual({
    'lloom_events_total{type="message:received"}': 1,
    [String.raw`lloom_events_total{type="a \"b\" \\\nfake_total 1"}`]: 1,
  });
});
