// The rules that are shipped, tried with made-up series by promtool, which comes with Prometheus.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../alerts', import.meta.url));
const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');
const rules = read('../alerts/lloom.rules.yml');
/** By name, each to the next one. */
const alerts = rules
  .split(/^ +- (?=alert: |name: |record: )/m)
  .filter((rule) => rule.startsWith('alert: '))
  .map((rule) => ({ name: /^alert: (?<name>\w+)/.exec(rule)!.groups!['name']!, rule }));

const promtool = (...args: string[]) =>
  spawnSync('promtool', args, { cwd: folder, encoding: 'utf8', env: { ...process.env, GOMAXPROCS: '1' } });
const canRun = promtool('--version').status === 0;
if (!canRun) process.stdout.write('skipped: alert rules (needs promtool of the package prometheus)\n');

describe.skipIf(!canRun)('the rules', () => {
  it('are valid', () => {
    expect(promtool('check', 'rules', 'lloom.rules.yml')).toMatchObject({ status: 0, stderr: '' });
  });

  it('fire when a fault has lasted for its time, not before, and alone', () => {
    expect(promtool('test', 'rules', 'lloom.rules.test.yml')).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('every alert', () => {
  it.each(alerts)('$name compares one figure with one number, and says what to do', ({ name, rule }) => {
    expect(rule).toMatch(/^ +expr: (?:lloom:[a-z0-9_:]+|lloom_\w+(?:\{[^}]+\})?) [<>] [\d.]+$/m);
    expect(rule).toMatch(/^ +for: \d+[mh]$/m);
    expect(rule).toMatch(/^ +labels: \{ severity: (?:critical|warning|info) \}$/m);
    expect(rule).toMatch(/^ +summary: .+\n +description: .+\n/m);
    expect(rule).toContain(`/docs/operating.md#${name.toLowerCase()}`);
  });

  const ofTargets = ['LloomNoNodes', 'LloomNodeDown', 'LloomEventLoopBlocked', 'LloomMemoryGrowing'];
  it.each(alerts.filter(({ name }) => !ofTargets.includes(name)))(
    '$name says of which node it is, also where several share a target',
    ({ rule }) => {
      const named = '{{ $labels.instance }}{{ with $labels.node }} ({{ . }}){{ end }}';
      expect(/^ +summary: (?<text>.+)$/m.exec(rule)?.groups?.['text']).toContain(named);
    },
  );

  it('has a section in the manual, which has no others', () => {
    const sections = read('../../../docs/operating.md').matchAll(/^### (?<name>\w+)$/gm);
    expect(Array.from(sections, ({ groups }) => groups!['name'])).toEqual(alerts.map(({ name }) => name));
  });

  it('is seen firing', () => {
    const expected = read('../alerts/lloom.rules.test.yml').matchAll(/\{alertname="(?<name>\w+)"\}/g);
    const fired = new Set(Array.from(expected, ({ groups }) => groups!['name']));
    expect(fired).toEqual(new Set(alerts.map(({ name }) => name)));
  });
});
