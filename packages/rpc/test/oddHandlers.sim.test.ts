import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { RpcError, type RequestId } from '../src/index.ts';
import { ask, createByHand } from './byHand.ts';
import { whole } from './simulation.ts';

/** What code without types throws, or hands on from another request. */
const thrown: readonly (readonly [string, unknown])[] = [
  ['a text', 'the password is 1234'],
  ['nothing', undefined],
  ['a symbol', Symbol('odd')],
  ['an object that has no text', Object.create(null)],
  [
    'that another channel is closed',
    new RpcError('CHANNEL_CLOSED', { requestId: 'other-1' as RequestId, reason: 'answered' }),
  ],
];

describe('what is thrown is told at once as a failure, without what it says, and frees its slot:', () => {
  for (const [name, value] of thrown)
    test(`${name}, by a handler`, async ({ createNetwork }) => {
      const { network, executor, asker, hand } = await createByHand(createNetwork, {
        serve: () => {
          throw value;
        },
      });
      const id = hand.ask(await ask(asker.identity, executor.identity));
      await network.runFor(200);
      expect(hand.errorOf(id)).toMatchObject({ code: 'REMOTE', message: 'the handler failed' });
      const { capacity, freeSlots } = executor.rpc.load;
      expect(freeSlots).toBe(capacity);
      executor.expectNothingLeft();
    });

  for (const [name, value] of thrown)
    test(`${name}, by a middleware`, async ({ createNetwork }) => {
      const { network, executor, asker, hand } = await createByHand(createNetwork, {
        serve: () => whole('answer'),
      });
      executor.rpc.use({
        inbound: () => {
          throw value;
        },
      });
      const id = hand.ask(await ask(asker.identity, executor.identity));
      await network.runFor(200);
      expect(hand.errorOf(id)).toMatchObject({ code: 'REMOTE', message: 'the request could not be handled' });
      executor.expectNothingLeft();
    });
});
