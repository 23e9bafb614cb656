import { expect, test } from 'vitest';
import { createActor } from 'xstate';
import { gateMachine } from '../test/runs.ts';
import { coveragePage, createRecorder, type CoveragePageConfig } from './index.ts';

function pageWith(config?: CoveragePageConfig): Promise<string> {
  const recorder = createRecorder();
  createActor(gateMachine, { inspect: recorder.inspect }).start().send({ type: 'gate.pay' });
  return coveragePage(recorder.run().machines, config);
}

test('a page of coverage shows figures, the chart and what was never taken of each machine', async () => {
  const page = await pageWith();
  expect(page).toContain('<h1>Machine coverage</h1>');
  expect(page).toContain('<a href="#machine-0">gate</a>');
  expect(page).toContain('<b>1/3</b>');
  expect(page).toContain('<b>1/7</b>');
  expect(page).toMatch(/<li data-kind="transition" data-key="[^"]+">free gate.push → passed<\/li>/);
  expect(page.match(/<svg [^>]*class="lm/g)).toHaveLength(1);
});

test('exceptions are shown with their reason and do not count', async () => {
  const transition = 'locked gate.kick [isBroken] → free';
  const page = await pageWith({ exceptions: [{ machine: 'gate', transition, why: 'gates <never> break' }] });
  expect(page).toContain('<b>1/6</b>');
  expect(page).toContain('gates &lt;never&gt; break');
  expect(page).toContain('1 excepted');
});

test('tests are listed with their machines, failed ones before the others', async () => {
  const page = await pageWith({
    title: 'All <gates>',
    tests: [
      { name: 'opens', href: 'opens.html', state: 'passed', machines: ['gate'] },
      { name: 'breaks "all"', href: 'breaks all.html', state: 'failed' },
      { name: 'hangs', href: 'hangs.html', state: 'timed out' },
    ],
  });
  expect(page).toContain('<h1>All &lt;gates&gt;</h1>');
  expect(page).toContain('failed: 2 tests');
  expect(page).toMatch(/>hangs<\/a> <b class="outcome bad">timed out<\/b>/);
  expect(page).toMatch(/Tests that ran it [^]+<a href="opens.html">opens<\/a>/);
  expect(page).toMatch(/All tests [^]+<a href="breaks%20all.html">breaks &quot;all&quot;<\/a>[^]+opens.html/);
});
