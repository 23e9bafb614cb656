import { createHash } from 'node:crypto';
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
  expect(page).toContain('<b class="outcome good">passed</b> · ');
  expect(page.match(/<svg [^>]*class="lm/g)).toHaveLength(2);
  expect(page).toContain('states <b>2/3</b>');
  expect(page).toContain('transitions <b>1/3</b>');
  expect(page).toMatch(/<li [^>]*>broken<\/li>/);
  expect(page).toMatch(/<li [^>]*>off lamp.break → broken<\/li><li [^>]*>on lamp.switch → off<\/li>/);
  const ownWords = page.replaceAll('http://www.w3.org/2000/svg', '');
  expect(ownWords).not.toMatch(/https?:|<script [^>]*src|<link [^>]*href="(?!data:,)|url\(|@import/);
});

test('a page runs no script and uses no style but its own', async () => {
  const page = await runPage(runLamp(), { title: 'A lamp' });
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1];
  const hashOf = (tag: string): string => {
    const inline = [...page.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))];
    expect(inline).toHaveLength(1);
    return createHash('sha256')
      .update(inline[0]?.[1] ?? '')
      .digest('base64');
  };
  expect(policy).toBe(
    `default-src 'none'; script-src 'sha256-${hashOf('script')}'; style-src 'sha256-${hashOf('style')}'; ` +
      "img-src data:; base-uri 'none'; form-action 'none'",
  );
});

test('a page says what was not kept', async () => {
  const page = await runPage(runLamp({ firstEntries: 1, lastEntries: 0 }), { title: 'A lamp' });
  expect(page).toContain('2 entries in the middle not kept');
});

test('titles cannot leave the text that they are', async () => {
  const title = '</title><script>alert(1)</script>';
  const page = await runPage(runLamp(), { title, subtitle: title });
  expect(page).not.toContain('alert(1)</script>');
  expect(page.match(/<script/g)).toHaveLength(1);
});
