import { expect, test } from 'vitest';
import { programs, Running } from './support/lloom.ts';

test('the demo with --ui shows its story, then keeps an executor whose web view opens until it is stopped', async () => {
  await using demo = new Running(['--ui'], { program: programs.demo });
  const url = await demo.until(
    () => /^http:\/\/127\.0\.0\.1:\d+\/\?token=\S+$/m.exec(demo.stdout)?.[0],
    'the address of the web view',
  );
  expect(demo.stdout).toContain('7. A model that nobody serves');
  const page = await fetch(url);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('<h2 id="h-machines">Machines</h2>');
  const { code, stderr } = await demo.stop('SIGINT');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('the demo with --gateway and --ui keeps a gateway that applications use until it is stopped', async () => {
  await using demo = new Running(['--gateway', '--ui'], { program: programs.demo });
  const find = (pattern: RegExp): RegExpExecArray | undefined => pattern.exec(demo.stdout) ?? undefined;
  const view = await demo.until(
    () => find(/^http:\/\/127\.0\.0\.1:\d+\/\?token=\S+$/m),
    'the web view is named',
  );
  const [, url, key] = find(/^export OPENAI_BASE_URL=(\S+) OPENAI_API_KEY=(\S+)$/m) ?? [];
  const body = find(/-d '(.*)'$/m)?.[1] ?? '';
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/chat/completions`, { method: 'POST', headers, body });
  expect(await answer.json()).toMatchObject({
    choices: [{ message: { content: expect.stringContaining('Offline backend') } }],
  });
  expect((await fetch(view[0])).status).toBe(200);
  const { code, stderr } = await demo.stop('SIGINT');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  await expect(fetch(`${url}/models`, { headers })).rejects.toThrow('fetch failed');
});
