// `npm run demo`: a whole network on this machine, from discovery to a signed answer, in a few seconds. With `--ui` the
// network then stays, to be looked at.
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorText } from '@lloom/core';
import { exitCodes } from '../errors.ts';
import { Interruption } from '../interruption.ts';
import { exit } from '../output.ts';
import type { Child } from './child.ts';
import { Screen } from './screen.ts';
import { tell } from './story.ts';

const deadlineMs = 50_000;
const patienceMs = 5_000;

const bin = new URL('../bin.ts', import.meta.url);
const client = new URL('./client.ts', import.meta.url);

/** A program beside this one: a source among sources, built when this one is. */
const program = (source: URL): string =>
  fileURLToPath(source).replace(/\.ts$/, extname(import.meta.filename));

const startedAt = performance.now();
const screen = new Screen(process.stdout, process.env);
const interruption = new Interruption().watch();
const children: Child[] = [];
const controller = new AbortController();
const deadline = setTimeout(
  () => controller.abort(new Error(`It took longer than ${deadlineMs} ms`)),
  deadlineMs,
);
interruption.signal.addEventListener('abort', () =>
  controller.abort(new Error(`Stopped by ${interruption.reason}`)),
);

const exitCode = await play();
clearTimeout(deadline);
exit(exitCode);

async function play(): Promise<number> {
  try {
    const programs = { lloom: program(bin), client: program(client) };
    const hasViews = process.argv.includes('--ui');
    const { offer, viewUrl } = await tell({
      screen,
      programs,
      hasViews,
      children,
      signal: controller.signal,
    });
    if (viewUrl !== undefined) return await stay(offer.name, viewUrl);
  } catch (error) {
    await stopAll();
    screen.line();
    screen.line(screen.paint('bad', `FAILED ${errorText(error, 4_000)}`));
    if (interruption.reason === undefined) return exitCodes.failure;
    return interruption.reason === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
  }
  const codes = await stopAll();
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  screen.line();
  if (codes.some((code) => code !== 0)) {
    screen.line(
      screen.paint('bad', `FAILED Some processes did not stop in peace: exit codes ${codes.join(', ')}`),
    );
    return exitCodes.failure;
  }
  screen.line(
    screen.paint(
      'good',
      `Every step showed what it must. All ${codes.length} processes have ended. ${seconds} s`,
    ),
  );
  return exitCodes.ok;
}

/** Leaves the network running until somebody asks to stop, who may have asked its processes too. */
async function stay(name: string, viewUrl: string): Promise<number> {
  clearTimeout(deadline);
  screen.line();
  screen.line(`Who is left goes on until Ctrl-C. Look at ${name} here:`);
  screen.line(viewUrl);
  if (!interruption.signal.aborted) await once(interruption.signal, 'abort');
  await stopAll();
  return exitCodes.ok;
}

/** Ends whoever is left. */
function stopAll(): Promise<number[]> {
  return Promise.all(children.map((child) => child.stop(patienceMs)));
}
