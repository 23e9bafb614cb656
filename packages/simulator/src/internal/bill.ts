import { costOf, type Answer, type AnswerPart, type PricingInfo } from '@lloom/behaviour';

/** What an answer is held against. */
export interface Billed {
  /** Tokens of the question, as the client counts them. */
  readonly questionTokens: number;
  /** All prices that an executor asked for while the request was under way. */
  readonly pricesOf: (peerId: string) => readonly PricingInfo[];
}

interface Usage {
  readonly inboundTokens: number;
  readonly outboundTokens: number;
}

/**
 * Whether somebody wants more for an answer than its tokens come to: by the dearest of the prices that it offered meanwhile, and for
 * no more tokens than there were.
 */
export function isOverbilled(answer: Answer, { questionTokens, pricesOf }: Billed): boolean {
  const { shares, parts, totalCost } = answer;
  const sum = shares.reduce((total, share) => total + BigInt(share.totalCost), 0n);
  if (sum !== BigInt(totalCost)) return true;
  const shown = shares.reduce((total, share) => total + share.tokens + share.unsignedTokens, 0);
  return shares.some(({ peerId, executor, tokens, totalCost: cost }) => {
    // Whoever goes on reads what there is so far as well: also what nobody signed.
    const read = questionTokens + shown;
    const usages = usagesOf(parts, executor).map((usage) => ({
      ...usage,
      inboundTokens: Math.min(usage.inboundTokens, read),
    }));
    const said = usages.reduce((total, usage) => total + usage.outboundTokens, 0);
    const bills = pricesOf(peerId).map((price) =>
      usages.reduce((total, usage) => total + BigInt(costOf(price, usage)), 0n),
    );
    return said > tokens || !bills.some((bill) => BigInt(cost) <= bill);
  });
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
