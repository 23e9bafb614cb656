import { expect, test } from 'vitest';
import { createActor, setup } from 'xstate';
import { createRecorder, runPage } from './index.ts';

const lampMachine = setup({
  types: {} as { events: { type: 'lamp.switch' } | { type: 'lamp.break' } },
}).createMachine({
  id: 'lamp',
  initial: 'off',
  states: {
    off: { on: { 'lamp.switch': { target: 'on' }, 'lamp.break': { target: 'broken' } } },
    on: { on: { 'lamp.switch': { target: 'off' } } },
    broken: {},
  },
});

function runLamp(bounds: { firstEntries?: number; lastEntries?: number } = {}) {
  const recorder = createRecorder(bounds);
  createActor(lampMachine, { inspect: recorder.inspect }).start().send({ type: 'lamp.switch' });
  return recorder.run();
}

test('a page shows charts, the sequence and what was never taken, and needs nothing from elsewhere', async () => {
  const page = await runPage(runLamp(), { title: 'A lamp', subtitle: 'passed' });
  expect(page).toContain('<h1>A lamp</h1>');
  expect(page).toContain('passed, ');
  expect(page.match(/<svg /g)).toHaveLength(2);
  expect(page).toContain('<b>lamp</b> states 2/3, transitions 1/3');
  expect(page).toContain('<li>broken</li>');
  expect(page).toContain('<li>off lamp.break → broken</li><li>on lamp.switch → off</li>');
  expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
    /https?:|<script|<link|url\(|@import/,
  );
});

test('a page says what was not kept', async () => {
  const page = await runPage(runLamp({ firstEntries: 1, lastEntries: 0 }), { title: 'A lamp' });
  expect(page).toContain('2 entries in the middle not kept');
});

test('titles cannot leave the text that they are', async () => {
  const title = '</title><script>alert(1)</script>';
  const page = await runPage(runLamp(), { title, subtitle: title });
  expect(page).not.toContain('<script');
});
