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
