// `npm run demo`: a whole network on this machine, from discovery to a signed answer, in a few seconds. With `--gateway` the
// story is that of an application which speaks the OpenAI API. With `--ui` the network then stays, to be looked at and used.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { errorText } from '@lloom/core';
import { exitCodes } from '../errors.ts';
import { Interruption } from '../interruption.ts';
import { exit } from '../output.ts';
import type { Child } from './child.ts';
import { tellGateway } from './gatewayStory.ts';
import { demo } from './plan.ts';
import { Screen } from './screen.ts';
import type { Stage } from './stage.ts';
import { tell } from './story.ts';

const deadlineMs = 50_000;
const patienceMs = 5_000;

const bin = new URL('../bin.ts', import.meta.url);
const client = new URL('./client.ts', import.meta.url);
const application = new URL('./application.ts', import.meta.url);

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

const exitCode = await run();
clearTimeout(deadline);
exit(exitCode);

async function run(): Promise<number> {
  const wanted = read(process.argv.slice(2));
  if (wanted === undefined) return exitCodes.usage;
  return play(wanted.gateway ? playGateway : playNetwork, wanted.ui);
}

/** What was asked for; `undefined` when it is not understood: what is, is said. */
function read(args: string[]): { readonly gateway: boolean; readonly ui: boolean } | undefined {
  const option = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({ args, options: { gateway: option, ui: option } }).values;
  } catch (error) {
    process.stderr.write(`${errorText(error, 1_000)}\nUsage: npm run demo -- [--gateway] [--ui]\n`);
    return undefined;
  }
}

/** Tells a story; gives what to say to whoever looks at what is left of the network. */
type Play = (stage: Stage) => Promise<readonly string[]>;

async function play(act: Play, hasViews: boolean): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'lloom-demo-'));
  try {
    const programs = { lloom: program(bin), client: program(client), application: program(application) };
    const stage = { screen, programs, folder, hasViews, children, signal: controller.signal };
    const lines = await act(stage);
    if (hasViews) return await stay(lines);
  } catch (error) {
    await stopAll();
    screen.line();
    screen.line(screen.paint('bad', `FAILED ${errorText(error, 4_000)}`));
    if (interruption.reason === undefined) return exitCodes.failure;
    return interruption.reason === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
  } finally {
    await rm(folder, { recursive: true, force: true });
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

async function playNetwork(stage: Stage): Promise<readonly string[]> {
  const { offer, viewUrl } = await tell(stage);
  return [`Who is left goes on until Ctrl-C. Look at ${offer.name} here:`, `${viewUrl}`];
}

async function playGateway(stage: Stage): Promise<readonly string[]> {
  const { url, key, viewUrl } = await tellGateway(stage);
  const body = { model: demo.model, messages: [{ role: 'user', content: demo.prompt }] };
  return [
    'Who is left goes on until Ctrl-C. In another terminal, for any application:',
    `export OPENAI_BASE_URL=${url} OPENAI_API_KEY=${key}`,
    'Such as:',
    'curl "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" \\',
    `  -H 'content-type: application/json' -d '${JSON.stringify(body)}'`,
    'Look at the gateway here:',
    `${viewUrl}`,
  ];
}

/** Leaves the network running until somebody asks to stop, who may have asked its processes too. */
async function stay(lines: readonly string[]): Promise<number> {
  clearTimeout(deadline);
  screen.line();
  for (const line of lines) screen.line(line);
  if (!interruption.signal.aborted) await once(interruption.signal, 'abort');
  await stopAll();
  return exitCodes.ok;
}

/** Ends whoever is left. */
function stopAll(): Promise<number[]> {
  return Promise.all(children.map((child) => child.stop(patienceMs)));
}
