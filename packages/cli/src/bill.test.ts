import type { Answer, AnswerPart, PartialAnswer } from '@lloom/behaviour';
import { describe, expect, test } from 'vitest';
import { billOf, partialSummaryOf, summaryOf } from './bill.ts';
import type { Offer } from './offers.ts';

const price = { inboundPrice: '10', outboundPrice: '100' };
const dear = { inboundPrice: '20', outboundPrice: '200' };
const offers: Offer[] = [
  { peerId: 'peer-A', executor: '0xAA', addresses: [], price },
  { peerId: 'peer-B', executor: '0xBB', addresses: [], price: dear },
  { peerId: 'peer-C', executor: '0xCC', addresses: [] },
];

/** A run of text that is signed: what its executor has read and given so far. */
function signed(executor: string, index: number, outboundTokens: number): AnswerPart {
  const payload = { index, inboundTokens: 3, outboundTokens };
  return {
    executor,
    text: 'text',
    tokens: 1,
    signed: { signer: executor, payload },
  } as unknown as AnswerPart;
}

const shareOf = (peerId: string, fields: object = {}): Answer['shares'][number] => ({
  peerId,
  executor: offers.find((offer) => offer.peerId === peerId)!.executor,
  tokens: 5,
  unsignedTokens: 0,
  totalCost: '530',
  ...fields,
});

function answerOf(fields: Partial<Answer>): Answer {
  return {
    content: 'text',
    parts: [],
    shares: [],
    finishReason: 'stop',
    inboundTokens: 3,
    outboundTokens: 5,
    totalCost: '530',
    ...fields,
  } as Answer;
}

const times = { firstTokenMs: 7, totalMs: 80 };
const partsOfA = [signed('0xaa', 0, 2), signed('0xaa', 1, 5)];

describe('an answer by one executor', () => {
  const answer = answerOf({ parts: partsOfA, shares: [shareOf('peer-A')] });

  test('is summed up in five lines', () => {
    const bill = billOf(answer, offers);
    expect(bill).toEqual([{ ...shareOf('peer-A'), expectedCost: '530' }]);
    expect(summaryOf(answer, { bill, ...times })).toEqual([
      'served by  peer-A',
      'signed by  0xAA, verified',
      'tokens     3 in, 5 out (stop)',
      'price      530 wei',
      'time       first token 7 ms, whole answer 80 ms',
    ]);
  });

  test('that came in one piece is held against its offer, too', () => {
    const whole = { ...answer, parts: [], response: {} } as unknown as Answer;
    expect(billOf(whole, offers)).toMatchObject([{ expectedCost: '530' }]);
  });

  test('that costs more than was offered is pointed out', () => {
    const greedy = { ...answer, totalCost: '531', shares: [shareOf('peer-A', { totalCost: '531' })] };
    const lines = summaryOf(greedy, { bill: billOf(greedy, offers), ...times });
    expect(lines).toContain('price      531 wei, more than its offer comes to: 530 wei');
  });

  test('is held against nothing when no price was offered', () => {
    const free = answerOf({ shares: [shareOf('peer-C')] });
    expect(billOf(free, offers)).toEqual([shareOf('peer-C')]);
    expect(billOf(answer, [])).toEqual([shareOf('peer-A')]);
  });
});

describe('an answer by several executors', () => {
  test('is summed up with what each of them signed', () => {
    const shares = [
      shareOf('peer-A', { unsignedTokens: 2 }),
      shareOf('peer-B', { tokens: 4, totalCost: '900' }),
      shareOf('peer-C', { tokens: 0, unsignedTokens: 1, totalCost: '0' }),
    ];
    const parts = [...partsOfA, signed('0xbb', 0, 4)];
    const answer = answerOf({ parts, shares, totalCost: '1430', inboundTokens: 6, outboundTokens: 9 });
    const bill = billOf(answer, offers);
    expect(summaryOf(answer, { bill, ...times })).toEqual([
      'served by  peer-A',
      'signed by  0xAA, verified: 5 tokens for 530 wei',
      '           and gave 2 tokens unsigned, for nothing',
      'served by  peer-B',
      'signed by  0xBB, verified: 4 tokens for 900 wei, more than its offer comes to: 860 wei',
      'served by  peer-C',
      '           signed nothing',
      '           and gave 1 token unsigned, for nothing',
      'tokens     6 in, 9 out (stop)',
      'price      1430 wei',
      'time       first token 7 ms, whole answer 80 ms',
    ]);
  });

  test('counts an executor that took part twice by all that it signed', () => {
    const parts = [...partsOfA, signed('0xbb', 0, 4), signed('0xaa', 0, 1), signed('0xaa', 1, 2)];
    const answer = answerOf({ parts, shares: [shareOf('peer-A')] });
    expect(billOf(answer, offers)).toMatchObject([{ expectedCost: String(530 + 230) }]);
  });
});

test('an answer that broke off is summed up by what is owed for it', () => {
  const shares = [shareOf('peer-A', { unsignedTokens: 3 })];
  const partial: PartialAnswer = { content: 'text', parts: partsOfA, shares, totalCost: '530' };
  expect(partialSummaryOf(partial, billOf(partial, offers))).toEqual([
    'The answer is not whole. What is signed of it is proven, and owed; the rest costs nothing.',
    'served by  peer-A',
    'signed by  0xAA, verified: 5 tokens for 530 wei',
    '           and gave 3 tokens unsigned, for nothing',
    'price      530 wei',
  ]);
});
