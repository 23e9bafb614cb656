import type { AnswerShare } from '@lloom/behaviour';
import { costOf } from '@lloom/codec';
import type { Child, ChildEvent } from './child.ts';
import { demo } from './plan.ts';
import { check, checkReport, shorten, type Executor, type Stage } from './stage.ts';

/** An answer as the client tells of it. */
export interface ToldAnswer {
  readonly content: string;
  readonly inboundTokens: number;
  readonly outboundTokens: number;
  readonly totalCost: string;
  readonly elapsedMs: number;
  readonly shares: readonly (AnswerShare & { readonly inboundTokens: number })[];
  /** What the signatures alone prove. */
  readonly proven: {
    readonly signers: readonly string[];
    readonly shares: readonly { readonly tokens: number; readonly totalCost: string }[];
    readonly unsignedTokens: number;
  };
}

interface ToldChunk extends ChildEvent {
  readonly text: string;
  readonly peerId: string;
  readonly tokens: number;
  readonly elapsedMs: number;
}

/** Shows an answer that one executor gives, and what is proven of it. */
export async function showAnswer(stage: Stage, client: Child, executor: Executor): Promise<ToldAnswer> {
  const { screen } = stage;
  await showQuestion(stage, client, executor);
  const { chunks, answer } = await readAnswer(client, ({ text }) => screen.flow(text, { mark: '| ' }));
  screen.endFlow();
  const { inboundTokens, outboundTokens, totalCost, elapsedMs } = answer;
  const firstMs = chunks[0]?.elapsedMs ?? 0;
  check(answer.content.startsWith('Offline backend'), 'the text is not what the backend says');
  check(chunks.length > 10 && elapsedMs - firstMs > 100, 'the text did not arrive bit by bit');
  checkShares(answer, [{ executor, shown: chunks }]);
  screen.line();
  screen.field('served by', `${executor.offer.name}, ${shorten(executor.peerId)}`);
  screen.field('signed by', `${executor.evmAddress}, verified`);
  screen.field('tokens', `${inboundTokens} of the question, ${outboundTokens} of the answer`);
  screen.field('price', priceOf(executor, { inboundTokens, outboundTokens, totalCost }));
  screen.field('time', `first token after ${firstMs} ms, whole answer after ${elapsedMs} ms`);
  await checkReport(executor, totalCost);
  return answer;
}

/** Who takes part when an executor is killed in the middle of its answer. */
export interface Failover {
  readonly victim: Executor;
  readonly successor: Executor;
  /** What the victim alone said to the same question. */
  readonly expected: string;
}

/**
 * Shows an answer whose executor is killed when so many tokens of it have arrived that some are signed, and that another
 * one completes.
 */
export async function showFailover(
  stage: Stage,
  client: Child,
  { victim, successor, expected }: Failover,
): Promise<void> {
  const { screen } = stage;
  await showQuestion(stage, client, victim);
  let killed: Promise<void> | undefined;
  let shown = 0;
  let isOver = false;
  const { chunks, answer, failures } = await readAnswer(client, ({ text, peerId }, failure) => {
    const isVictim = peerId === victim.peerId;
    if (!isVictim && !isOver) {
      isOver = true;
      screen.line(screen.paint('bad', `   --- ${victim.offer.name} was killed: ${failure ?? 'unnoticed'}`));
    }
    screen.flow(text, isVictim ? { mark: 'B | ', style: 'one' } : { mark: 'A | ', style: 'other' });
    if (++shown === demo.killedAfterTokens) killed = victim.child.kill();
  });
  screen.endFlow();
  await killed;
  const others = chunks.findIndex(({ peerId }) => peerId !== victim.peerId);
  const [before, after] = [chunks.slice(0, others), chunks.slice(others)];
  check(killed !== undefined && others >= demo.killedAfterTokens, 'nobody was killed in mid-answer');
  check(failures.length === 1, `${failures.join(', ') || 'nothing'} failed, where one was killed`);
  check(
    after.every(({ peerId }) => peerId === successor.peerId),
    `another one than ${successor.offer.name} went on`,
  );
  check(answer.content === expected, 'the text is not what one executor alone had said');
  checkShares(answer, [
    { executor: victim, shown: before },
    { executor: successor, shown: after },
  ]);
  screen.line();
  for (const [index, executor] of [victim, successor].entries())
    showShare(stage, executor, answer.shares[index]);
  screen.field('in all', `${chunks.length} tokens, each shown once, for ${answer.totalCost} wei`);
  const pauseMs = (after[0]?.elapsedMs ?? 0) - (before.at(-1)?.elapsedMs ?? 0);
  screen.field('time', `${pauseMs} ms from the last token of the one to the first of the other`);
  await checkReport(successor, answer.shares[1]?.totalCost);
}

async function showQuestion({ screen }: Stage, client: Child, executor: Executor): Promise<void> {
  const { peerId } = await client.next('asking');
  check(peerId === executor.peerId, `another one than ${executor.offer.name} is asked`);
  screen.say(`> ${demo.prompt}`);
  screen.line();
}

/** Gives `onChunk` each piece of text, and the code of the last failure before it; then the whole. */
async function readAnswer(
  client: Child,
  onChunk: (chunk: ToldChunk, failure: string | undefined) => void,
): Promise<{ chunks: ToldChunk[]; answer: ToldAnswer; failures: string[] }> {
  const chunks: ToldChunk[] = [];
  const failures: string[] = [];
  for (;;) {
    const told = await client.next();
    if (told.event === 'chunk') {
      chunks.push(told as ToldChunk);
      onChunk(told as ToldChunk, failures.at(-1));
    } else if (told.event === 'retrying') {
      failures.push((told['error'] as { code: string }).code);
    } else {
      const why = JSON.stringify(told['error'] ?? {});
      check(told.event === 'answer', `the answer ended with ${told.event}: ${why}`);
      const answer = told as unknown as ToldAnswer;
      const text = chunks.map((chunk) => chunk.text).join('');
      check(text === answer.content, 'the text that arrived is not the answer');
      return { chunks, answer, failures };
    }
  }
}

/** Everybody asks for the tokens that it signed, at the price of its offer, and for nothing else. */
function checkShares(
  { shares, proven, totalCost }: ToldAnswer,
  wanted: readonly { readonly executor: Executor; readonly shown: readonly ToldChunk[] }[],
): void {
  const everybody = wanted.map(({ executor }) => executor);
  check(areSigners(proven.signers, everybody), 'somebody else signed');
  check(shares.length === wanted.length, 'somebody else asks for something');
  for (const [index, { executor, shown }] of wanted.entries()) {
    const { name } = executor.offer;
    const { peerId, tokens, unsignedTokens, totalCost: cost, inboundTokens } = shares[index]!;
    const seen = shown.reduce((sum, chunk) => sum + chunk.tokens, 0);
    check(peerId === executor.peerId && tokens > 0, `${name} signed nothing`);
    check(tokens + unsignedTokens === seen, `${name} gave ${seen} tokens, but ${tokens} are signed`);
    check(
      cost === costOf(executor.offer, { inboundTokens, outboundTokens: tokens }),
      `the price of ${name} is wrong`,
    );
    const { tokens: provenTokens, totalCost: provenCost } = proven.shares[index]!;
    check(provenTokens === tokens && provenCost === cost, `the signatures of ${name} prove something else`);
  }
  const sum = shares.reduce((all, share) => all + BigInt(share.totalCost), 0n);
  check(sum === BigInt(totalCost), 'the shares are not what the answer costs');
  const unsigned = shares.reduce((all, share) => all + share.unsignedTokens, 0);
  check(unsigned === proven.unsignedTokens, 'other tokens are unsigned than is said');
}

function showShare(
  { screen }: Stage,
  executor: Executor,
  share: ToldAnswer['shares'][number] | undefined,
): void {
  check(share !== undefined, `${executor.offer.name} has no share`);
  const { tokens: outboundTokens, unsignedTokens, inboundTokens, totalCost } = share;
  const free = unsignedTokens > 0 ? `; ${unsignedTokens} more, unsigned, cost nothing` : '';
  screen.field(executor.offer.name, `${outboundTokens} tokens${free}`);
  screen.field('signed by', `${executor.evmAddress}, verified`);
  screen.field('price', priceOf(executor, { inboundTokens, outboundTokens, totalCost }));
}

function priceOf(
  { offer }: Executor,
  usage: { readonly inboundTokens: number; readonly outboundTokens: number; readonly totalCost: string },
): string {
  const { inboundTokens, outboundTokens, totalCost } = usage;
  return `${inboundTokens} x ${offer.inboundPrice} + ${outboundTokens} x ${offer.outboundPrice} = ${totalCost} wei`;
}

function areSigners(signers: readonly string[], executors: readonly Executor[]): boolean {
  const wanted = executors.map(({ evmAddress }) => evmAddress.toLowerCase());
  return signers.join(' ').toLowerCase() === wanted.join(' ');
}
