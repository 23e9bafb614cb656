import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { costOf } from '@lloom/codec';
import type { Child, ChildEvent } from './child.ts';
import { showNode, start, startExecutors, startValidator } from './nodes.ts';
import { demo } from './plan.ts';
import { check, checkReport, shorten, type Executor, type Stage } from './stage.ts';

/** Where applications find the gateway. */
export interface Api {
  readonly url: string;
  readonly key: string;
  /** Where its web view is; `undefined` unless there shall be one. */
  readonly viewUrl: string | undefined;
}

/** What the last chunk of a stream says, and the text before it. */
interface ToldAnswer extends ChildEvent {
  readonly content: string;
  readonly finishReason: string | null;
  readonly elapsedMs: number;
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly lloom?: { readonly totalCost: string; readonly shares: readonly Share[] };
}

interface Share {
  readonly peerId: string;
  readonly tokens: number;
  readonly unsignedTokens: number;
  readonly totalCost: string;
}

interface ListedModel {
  readonly id: string;
  readonly lloom: { readonly providers: number };
}

interface ToldChunk extends ChildEvent {
  readonly text: string;
  readonly elapsedMs: number;
}

/** A whole answer, checked. */
interface Reading {
  readonly content: string;
  readonly firstMs: number;
  readonly elapsedMs: number;
  readonly usage: NonNullable<ToldAnswer['usage']>;
  readonly lloom: NonNullable<ToldAnswer['lloom']>;
}

/**
 * Plays the demo of the gateway: an application that knows only the OpenAI API is served by the network. Checks that
 * every step shows what it must.
 * @returns where applications find the gateway
 * @throws {Error} at the first step that does not
 */
export async function tellGateway(stage: Stage): Promise<Api> {
  const { screen } = stage;
  screen.line(screen.paint('title', 'Lloom demo: the gateway'));
  screen.line('Applications that speak the OpenAI API use the network as it is.');

  screen.step(1, 'A validator starts, and three executors offer their models.');
  const address = await startValidator(stage);
  const executors = await startExecutors({ ...stage, hasViews: false }, address);
  const [other, cheapest] = executors as [Executor, Executor];

  screen.step(2, 'A gateway joins. It takes requests of this machine, with a key.');
  const api = await startGateway(stage, { address, keyFile: join(stage.folder, 'key') });

  screen.step(3, 'Any program that speaks HTTP can ask it.');
  await showModels(stage, api);

  screen.step(4, 'An application with the `openai` package, which knows nothing of Lloom, asks.');
  const env = { OPENAI_BASE_URL: api.url, OPENAI_API_KEY: api.key };
  const application = start(stage, {
    name: 'application',
    program: stage.programs.application,
    args: [],
    env,
  });
  const { content } = await showAnswer(stage, application, cheapest);

  screen.step(5, `It asks again, and ${cheapest.offer.name} is killed. The application does not notice.`);
  await showFailover(stage, application, { victim: cheapest, successor: other, expected: content });

  screen.step(6, `It asks for a model that nobody serves, ${demo.unservedModel}.`);
  await showRefusal(stage, application);

  screen.step(7, `It leaves in the middle of an answer, and ${other.offer.name} stops at once.`);
  await showLeaving(stage, application, other);
  await application.next('done');
  check((await application.ended()) === 0, 'the application did not end well');
  return api;
}

async function startGateway(
  stage: Stage,
  { address, keyFile }: { readonly address: string; readonly keyFile: string },
): Promise<Api> {
  const { screen, programs, hasViews } = stage;
  const where = ['--bootstrap', address, '--port', '0', '--api-key-file', keyFile];
  // By price alone, so that it is known who is asked.
  const args = ['gateway', ...where, '--policy', 'price', '--json', ...(hasViews ? ['--ui'] : [])];
  const child = start(stage, { name: 'gateway', program: programs.lloom, args });
  const viewUrl = hasViews ? ((await child.next('view'))['url'] as string) : undefined;
  const { peerId, url } = await child.next('ready');
  showNode(screen, { child, peerId: peerId as string });
  const key = (await readFile(keyFile, 'utf8')).trim();
  screen.row(['', 12], [screen.paint('faint', `OPENAI_BASE_URL=${url as string}`), 0]);
  screen.row(['', 12], [screen.paint('faint', `OPENAI_API_KEY=${key.slice(0, 6)}…`), 0]);
  return { url: url as string, key, viewUrl };
}

/** As curl would: without the key, then with it. */
async function showModels({ screen, signal }: Stage, { url, key }: Api): Promise<void> {
  screen.line('   $ curl $OPENAI_BASE_URL/models');
  const refused = await fetch(`${url}/models`, { signal });
  const { error } = (await refused.json()) as { error?: { message: string } };
  screen.field(String(refused.status), error?.message ?? '');
  check(refused.status === 401 && error !== undefined, 'whoever has no key is not refused');

  screen.line('   $ curl $OPENAI_BASE_URL/models -H "Authorization: Bearer $OPENAI_API_KEY"');
  const models = await completeModels({ url, key }, signal);
  screen.field('200', models.join(', '));
  const wanted = [...new Set(demo.executors.map(({ model }) => model))].toSorted();
  check(models.join() === wanted.join(), `the models are not ${wanted.join(', ')}`);
}

/** Looks until everybody is there: on a busy machine, the gateway hears of one executor much later than of another. */
async function completeModels(
  { url, key }: Pick<Api, 'url' | 'key'>,
  signal: AbortSignal,
): Promise<string[]> {
  for (;;) {
    const response = await fetch(`${url}/models`, { headers: { authorization: `Bearer ${key}` }, signal });
    check(response.status === 200, `the models were answered with ${response.status}`);
    const { data } = (await response.json()) as { data: readonly ListedModel[] };
    const providers = data.reduce((sum, { lloom }) => sum + lloom.providers, 0);
    if (providers >= demo.executors.length) return data.map(({ id }) => id).toSorted();
    await pause(100, undefined, { signal });
  }
}

async function showAnswer(stage: Stage, application: Child, executor: Executor): Promise<Reading> {
  const { screen } = stage;
  screen.say(`> ${demo.prompt}`);
  screen.line();
  const reading = await readAnswer(application, ({ text }) => screen.flow(text, { mark: '| ' }));
  screen.endFlow();
  const { content, firstMs, elapsedMs, usage, lloom } = reading;
  check(content.startsWith('Offline backend'), 'the text is not what the backend says');
  check(elapsedMs - firstMs > 100, 'the text did not arrive bit by bit');
  checkShares(reading, [executor]);
  const { prompt_tokens: inboundTokens, completion_tokens: outboundTokens } = usage;
  const cost = costOf(executor.offer, { inboundTokens, outboundTokens });
  check(lloom.totalCost === cost, `the price of ${executor.offer.name} is wrong`);
  screen.line();
  screen.field('served by', `${executor.offer.name}, ${shorten(executor.peerId)}, the cheapest`);
  showUsage(stage, reading);
  screen.field('time', `first token after ${firstMs} ms, whole answer after ${elapsedMs} ms`);
  await checkReport(executor, lloom.totalCost);
  return reading;
}

/** Who takes part when an executor is killed in the middle of its answer, and what it alone said. */
interface Failover {
  readonly victim: Executor;
  readonly successor: Executor;
  readonly expected: string;
}

async function showFailover(
  stage: Stage,
  application: Child,
  { victim, successor, expected }: Failover,
): Promise<void> {
  const { screen } = stage;
  screen.say(`> ${demo.prompt}`);
  screen.line();
  let killed: Promise<void> | undefined;
  let shown = 0;
  const reading = await readAnswer(application, ({ text }) => {
    screen.flow(text, { mark: '| ' });
    if (++shown !== demo.killedAfterTokens) return;
    killed = victim.child.kill();
    screen.line(screen.paint('bad', `   --- ${victim.offer.name} is killed`));
  });
  screen.endFlow();
  await killed;
  check(killed !== undefined, 'nobody was killed in mid-answer');
  check(reading.content === expected, 'the text is not what one executor alone had said');
  checkShares(reading, [victim, successor]);
  const { shares } = reading.lloom;
  screen.line();
  for (const [index, { offer }] of [victim, successor].entries()) {
    const { tokens, unsignedTokens, totalCost } = shares[index]!;
    const free = unsignedTokens > 0 ? `; ${unsignedTokens} more, unsigned, cost nothing` : '';
    screen.field(offer.name, `${tokens} tokens, signed, for ${totalCost} wei${free}`);
  }
  showUsage(stage, reading);
  await checkReport(successor, shares[1]?.totalCost);
}

async function showRefusal({ screen }: Stage, application: Child): Promise<void> {
  const { event, name, status, code, message } = await application.next();
  check(event === 'refused', `"${demo.unservedModel}" was not refused`);
  screen.field(String(name), String(message));
  screen.field('code', String(code));
  check(
    status === 404 && code === 'model_not_found',
    `it was refused with ${String(status)} ${String(code)}`,
  );
}

async function showLeaving({ screen }: Stage, application: Child, executor: Executor): Promise<void> {
  const { chunks } = await application.next('left');
  const { outcome, outboundTokens } = await executor.child.next('request');
  screen.field('application', `left after ${Number(chunks)} pieces of text`);
  screen.field(executor.offer.name, `${String(outcome)} after ${Number(outboundTokens)} tokens`);
  check(outcome === 'cancelled', `${executor.offer.name} went on for nobody`);
}

/** Gives `onChunk` each piece of text; then the whole. */
async function readAnswer(application: Child, onChunk: (chunk: ToldChunk) => void): Promise<Reading> {
  const chunks: ToldChunk[] = [];
  for (;;) {
    const told = await application.next();
    if (told.event === 'chunk') {
      chunks.push(told as ToldChunk);
      onChunk(told as ToldChunk);
      continue;
    }
    check(told.event === 'answer', `the answer ended with ${told.event}: ${JSON.stringify(told)}`);
    const { content, finishReason, elapsedMs, usage, lloom } = told as ToldAnswer;
    check(finishReason === 'stop' && chunks.length > 10, 'the answer is not whole');
    check(usage !== undefined && lloom !== undefined, 'nothing is said of what was used');
    return { content, firstMs: chunks[0]?.elapsedMs ?? 0, elapsedMs, usage, lloom };
  }
}

/** Those and nobody else ask for something, and it adds up. */
function checkShares({ lloom, usage }: Reading, executors: readonly Executor[]): void {
  const { shares, totalCost } = lloom;
  const wanted = executors.map(({ peerId }) => peerId);
  check(shares.map(({ peerId }) => peerId).join() === wanted.join(), 'others ask for something');
  const sum = shares.reduce((all, share) => all + BigInt(share.totalCost), 0n);
  check(sum === BigInt(totalCost), 'the shares are not what the answer costs');
  const tokens = shares.reduce((all, share) => all + share.tokens, 0);
  check(tokens > 0 && tokens <= usage.completion_tokens, 'more tokens are signed than were used');
}

function showUsage({ screen }: Stage, { usage, lloom }: Reading): void {
  const { prompt_tokens: inbound, completion_tokens: outbound } = usage;
  screen.field('usage', `${inbound} tokens of the question, ${outbound} of the answer`);
  screen.field('cost', `${lloom.totalCost} wei`);
}
