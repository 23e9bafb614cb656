import type { Answer, AnswerPart, AnswerShare, PartialAnswer } from '@lloom/behaviour';
import { costOf, type PricingInfo } from '@lloom/codec';
import type { Offer } from './offers.ts';

/** What one executor asks for, held against its offer. */
export interface BilledShare extends AnswerShare {
  /** What it comes to by the price that was offered; absent when none is known. In wei, as a decimal text. */
  readonly expectedCost?: string;
}

/** What an answer, or as much of it as there is, comes to by the prices that were offered. */
export function billOf(answer: Answer | PartialAnswer, offers: readonly Offer[]): BilledShare[] {
  return answer.shares.map((share) => {
    const price = offers.find(({ peerId }) => peerId === share.peerId)?.price;
    const isWhole = 'response' in answer && answer.response !== undefined;
    const usages = isWhole ? [answer] : usagesOf(answer.parts, share.executor);
    return { ...share, ...(price && { expectedCost: sum(price, usages) }) };
  });
}

interface Usage {
  readonly inboundTokens: number;
  readonly outboundTokens: number;
}

/** What an executor has signed last, each time that it took part: it counts its segments from 0 then. */
function usagesOf(parts: readonly AnswerPart[], executor: string): Usage[] {
  const usages: Usage[] = [];
  for (const { signed } of parts) {
    if (signed?.signer.toLowerCase() !== executor.toLowerCase()) continue;
    if (signed.payload.index > 0) usages.pop();
    usages.push(signed.payload);
  }
  return usages;
}

const sum = (price: PricingInfo, usages: readonly Usage[]): string =>
  usages.reduce((total, usage) => total + BigInt(costOf(price, usage)), 0n).toString();

const column = (name: string): string => name.padEnd(11);

/** An answer that is whole, for people. */
export function summaryOf(
  answer: Answer,
  about: {
    readonly bill: readonly BilledShare[];
    readonly firstTokenMs: number | undefined;
    readonly totalMs: number;
  },
): string[] {
  const { inboundTokens, outboundTokens, totalCost, finishReason } = answer;
  const { bill, firstTokenMs, totalMs } = about;
  const [first] = bill;
  const isOne = bill.length === 1 && first?.unsignedTokens === 0;
  const who = isOne
    ? [`${column('served by')}${first.peerId}`, `${column('signed by')}${first.executor}, verified`]
    : bill.flatMap(shareLines);
  return [
    ...who,
    `${column('tokens')}${inboundTokens} in, ${outboundTokens} out (${finishReason})`,
    `${column('price')}${totalCost} wei${isOne ? excessOf(first) : ''}`,
    `${column('time')}first token ${firstTokenMs ?? '-'} ms, whole answer ${totalMs} ms`,
  ];
}

/** An answer that broke off, for people. */
export function partialSummaryOf({ totalCost }: PartialAnswer, bill: readonly BilledShare[]): string[] {
  return [
    'The answer is not whole. What is signed of it is proven, and owed; the rest costs nothing.',
    ...bill.flatMap(shareLines),
    `${column('price')}${totalCost} wei`,
  ];
}

function shareLines(share: BilledShare): string[] {
  const { peerId, executor, tokens, unsignedTokens, totalCost } = share;
  const price = `${totalCost} wei${excessOf(share)}`;
  return [
    `${column('served by')}${peerId}`,
    tokens === 0 && totalCost === '0'
      ? `${column('')}signed nothing`
      : `${column('signed by')}${executor}, verified: ${tokensOf(tokens)} for ${price}`,
    ...(unsignedTokens > 0
      ? [`${column('')}and gave ${tokensOf(unsignedTokens)} unsigned, for nothing`]
      : []),
  ];
}

const tokensOf = (count: number): string => `${count} token${count === 1 ? '' : 's'}`;

function excessOf({ totalCost, expectedCost }: BilledShare): string {
  const isMore = expectedCost !== undefined && BigInt(totalCost) > BigInt(expectedCost);
  return isMore ? `, more than its offer comes to: ${expectedCost} wei` : '';
}
