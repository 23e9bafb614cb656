import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { browserScript, contentPolicy } from './browserScript.ts';

function main(data: { readonly text: string }, parts: { twice: (text: string) => string }): void {
  (globalThis as { told?: string }).told = parts.twice(data.text);
}

function twice(text: string): string {
  // </script> in a comment, and in a text below
  return text + ('</script><!--'.length > 0 ? text : '');
}

test('a script calls its function with data and parts, whatever texts are in them', () => {
  const text = '</script><script>\u2028"\\</SCRIPT>';
  const script = browserScript(main, { text }, { twice });
  expect(script).not.toMatch(/<\/script|<!--/i);
  const world: { told?: string } = {};
  runInNewContext(script, world);
  expect(world.told).toBe(text + text);
});

test('functions whose names a bundler keeps run all the same', () => {
  const world: { told?: string } = {};
  const named = {
    toString: () => '(data) => __name((text) => { globalThis.told = text }, "named")(data.text)',
  };
  runInNewContext(browserScript(named as unknown as typeof main, { text: 'kept' }, { twice }), world);
  expect(world.told).toBe('kept');
});

test('a page without scripts may run none', () => {
  expect(contentPolicy({ scripts: [], styles: [''] })).toContain("script-src 'none'; style-src 'sha256-");
});
