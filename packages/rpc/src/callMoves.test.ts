import { describe, expect, test } from 'vitest';
import { failed, listed, movesOf, busy, lost, type Given } from '../test/moves.ts';
import type { RpcError } from './errors.ts';
import { StitchedAnswer } from './internal/stitchedAnswer.ts';
import type { AlternativeQuery, AlternativeSource } from './ports.ts';

describe('a request that fails', () => {
  test('goes to another provider of its model at once', async () => {
    const alternatives = listed('b', 'c');
    const { fails } = movesOf({ alternatives });
    expect(await fails(busy)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, 'b']);
    expect(await fails(busy)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, 'c']);
    expect(alternatives.queries[0]).toEqual({ peerId: 'a', model: 'demo-small', exclude: ['a'] });
  });

  test('goes to the same peer when nobody else is known, as late as that peer wants', async () => {
    const { fails } = movesOf();
    expect(await fails(busy)).toEqual([{ isElsewhere: false, leastDelayMs: 700 }, 'a']);
    expect(await fails(lost)).toEqual([{ isElsewhere: false, leastDelayMs: 0 }, 'a']);
  });

  test('goes to the last one that may recover when all have failed', async () => {
    const { fails } = movesOf({ alternatives: listed('b', 'c') });
    await fails(lost);
    await fails(busy);
    expect(await fails(failed('NO_HANDLER'))).toEqual([{ isElsewhere: false, leastDelayMs: 700 }, 'b']);
  });

  test('has failed when everybody would fail it the same way', async () => {
    const { fails } = movesOf({ alternatives: listed('b') });
    await fails(failed('NO_HANDLER'));
    expect(await fails(failed('MODEL_UNAVAILABLE'))).toEqual([
      { isElsewhere: true, leastDelayMs: 0 },
      undefined,
    ]);
  });

  test.each<[string, Given & { readonly error?: RpcError }]>([
    ['that would end the same way', { error: failed('INVALID_REQUEST') }],
    ['that was asked often enough', { strategy: { maxAttempts: 1 } }],
    ['that may run twice', { error: lost, plan: { isRepeatable: false } }],
    ['for which no retry is paid', { config: { retryRatio: 0, retryBurst: 0 } }],
  ])('%s has failed', async (_name, { error = busy, ...given }) => {
    const { fails } = movesOf({ alternatives: listed('b'), ...given });
    expect(await fails(error)).toEqual([undefined, undefined]);
  });

  test('is made again when it surely was not run, also when it must not run twice', async () => {
    const { fails } = movesOf({ plan: { isRepeatable: false, canMove: false } });
    expect(await fails(busy)).toEqual([{ isElsewhere: false, leastDelayMs: 700 }, 'a']);
  });

  test('stays with its peer when it is told to, or can go nowhere else', async () => {
    for (const given of [{ strategy: { failover: 'none' as const } }, { plan: { canMove: false } }]) {
      const alternatives = listed('b');
      const { fails } = movesOf({ alternatives, ...given });
      expect(await fails(busy)).toEqual([{ isElsewhere: false, leastDelayMs: 700 }, 'a']);
      expect(await fails(failed('NO_HANDLER'))).toEqual([undefined, undefined]);
      expect(alternatives.queries).toEqual([]);
    }
  });

  test('pays for no retry that is not made', async () => {
    const { fails, peers } = movesOf({ config: { retryRatio: 0, retryBurst: 1 } });
    expect(await fails(failed('NO_HANDLER'))).toEqual([undefined, undefined]);
    expect([peers.budget.take(), peers.budget.take()]).toEqual([true, false]);
  });
});

describe('requests that fail together', () => {
  test('look again for who suits best when their turn comes', async () => {
    let named = 'b';
    const { moves } = movesOf({ alternatives: { find: () => named, search: async () => undefined } });
    moves.asks('a');
    moves.after(lost, 'a', new StitchedAnswer());
    named = 'c';
    expect(await moves.target()).toBe('c');
  });

  test('lose no attempt and no retry to a peer that is left alone', async () => {
    const { fails } = movesOf({
      alternatives: listed('b', 'c'),
      strategy: { maxAttempts: 2 },
      config: { retryBurst: 1, retryRatio: 0 },
    });
    await fails(lost);
    const avoided = failed('PEER_AVOIDED', { retryAfterMs: 9_000 });
    expect(await fails(avoided)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, 'c']);
    expect(await fails(lost)).toEqual([undefined, undefined]);
  });
});

describe('a request fails with', () => {
  test('the last failure after which it may have run', async () => {
    const { moves, fails } = movesOf();
    await fails(lost);
    await fails(busy);
    expect(moves.worst).toBe(lost);
    const later = failed('REMOTE');
    await fails(later);
    expect(moves.worst).toBe(later);
  });

  test('the last failure when none has run it', async () => {
    const { moves, fails } = movesOf();
    await fails(failed('DIAL_FAILED'));
    await fails(busy);
    expect(moves.worst).toBe(busy);
  });
});

describe('a search for another provider', () => {
  /** Knows nobody, and finds somebody when told to. */
  function searching() {
    const found = Promise.withResolvers<string | undefined>();
    const signals: AbortSignal[] = [];
    const alternatives: AlternativeSource = {
      find: () => undefined,
      search: (_query, { signal }) => {
        signals.push(signal);
        return found.promise;
      },
    };
    return { alternatives, found, signals };
  }

  test('runs while the same peer is waited for, and what it finds is asked instead', async () => {
    const { alternatives, found } = searching();
    const { moves, clock } = movesOf({ alternatives });
    moves.asks('a');
    expect(moves.after(busy, 'a', new StitchedAnswer())).toEqual({
      isElsewhere: false,
      isCertain: true,
      leastDelayMs: 700,
    });
    found.resolve('b');
    await clock.runFor(700);
    expect(await moves.target()).toBe('b');
    expect(clock.pending).toBe(0);
  });

  test('is not waited for when the same peer may be asked again', async () => {
    const { alternatives } = searching();
    const { moves, fails } = movesOf({ alternatives });
    expect(await fails(busy)).toEqual([{ isElsewhere: false, leastDelayMs: 700 }, 'a']);
    expect(await moves.target()).toBe('a');
  });

  test.each([
    ['that never ends', () => new Promise<never>(() => undefined)],
    [
      'that breaks off when told to',
      (_: AlternativeQuery, { signal }: { signal: AbortSignal }) =>
        new Promise<never>((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        ),
    ],
  ])('%s is over after five seconds', async (_name, search) => {
    const { moves, clock } = movesOf({ alternatives: { find: () => undefined, search } });
    moves.asks('a');
    expect(moves.after(failed('NO_HANDLER'), 'a', new StitchedAnswer())).toMatchObject({
      isElsewhere: true,
      isCertain: false,
    });
    const targets: unknown[] = [];
    void moves.target().then((target) => targets.push(target));
    await clock.runFor(4_999);
    expect(targets).toEqual([]);
    await clock.runFor(1);
    expect(targets).toEqual([undefined]);
    expect(clock.pending).toBe(0);
  });

  test('that fails finds nobody', async () => {
    const search = () => Promise.reject(new Error('no route'));
    const { fails, clock } = movesOf({ alternatives: { find: () => undefined, search } });
    expect(await fails(failed('NO_HANDLER'))).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, undefined]);
    expect(clock.pending).toBe(0);
  });

  test('ends with the call', async () => {
    const { alternatives, signals } = searching();
    const { moves, controller, clock } = movesOf({ alternatives });
    moves.asks('a');
    moves.after(failed('NO_HANDLER'), 'a', new StitchedAnswer());
    controller.abort(new Error('cancelled'));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await moves.target();
    expect(clock.pending).toBe(0);
  });

  test('is not for requests that stay with their peer', async () => {
    const { alternatives, signals } = searching();
    const { fails } = movesOf({ alternatives, strategy: { failover: 'none' } });
    await fails(busy);
    expect(signals).toEqual([]);
  });
});

describe('peers that fail', () => {
  const avoided = { avoidAfterFailures: 1, avoidMs: 10_000 };

  test('are not named as alternatives, whoever they failed', async () => {
    const { fails, peers } = movesOf({ alternatives: listed('b', 'c'), config: avoided });
    peers.ended('b', 'llmRequest', lost);
    expect(await fails(lost)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, 'c']);
    peers.stop();
  });

  test('are not taken from a source that names nobody else, however often it does', async () => {
    const stubborn: AlternativeSource = { find: () => 'b', search: async () => 'b' };
    const { fails, peers } = movesOf({ alternatives: stubborn, config: avoided });
    peers.ended('b', 'llmRequest', lost);
    expect(await fails(lost)).toEqual([{ isElsewhere: false, leastDelayMs: 0 }, 'a']);
    peers.stop();
  });
});

describe('an answer that broke off', () => {
  test('goes on elsewhere, behind all that was shown', async () => {
    const { moves, answer, fails, shows } = movesOf({ alternatives: listed('b', 'c') });
    shows('a', 'one ');
    expect((await fails(lost))[1]).toBe('b');
    expect(moves.prefixFor('b', answer)).toEqual({ text: 'one ', tokens: 1, totalCost: '0' });
    shows('b', 'two ');
    expect((await fails(lost))[1]).toBe('c');
    expect(moves.prefixFor('c', answer)).toEqual({ text: 'one two ', tokens: 2, totalCost: '0' });
  });

  test('is repeated by the peer that gave it last, behind what was there before', async () => {
    const { moves, answer, fails, shows } = movesOf({ alternatives: listed('b') });
    shows('a', 'one ');
    await fails(lost);
    shows('b', 'two ');
    expect((await fails(lost))[1]).toBe('b');
    expect(moves.prefixFor('b', answer)).toEqual({ text: 'one ', tokens: 1, totalCost: '0' });
  });

  test('is not begun again by a peer whose part lies further back', async () => {
    const { fails, shows } = movesOf({ alternatives: listed('b') });
    shows('a', 'one ');
    await fails(lost);
    shows('b', 'two ');
    expect((await fails(failed('REQUEST_LOST')))[1]).toBeUndefined();
  });

  test('may go on with a peer that had no room before', async () => {
    const { fails, shows } = movesOf({ alternatives: listed('b') });
    await fails(busy);
    shows('b', 'one ');
    expect((await fails(failed('REQUEST_LOST')))[1]).toBe('a');
  });

  test.each<[string, Given & { readonly error?: RpcError }]>([
    ['when only its beginning may move', { strategy: { failover: 'beforeOutput' } }],
    ['when it cannot be signed for anybody else', { plan: { canContinue: false } }],
    ['when its signature is wrong', { error: failed('SIGNATURE_INVALID') }],
  ])('goes on with nobody %s, also of those that were asked before', async (_name, given) => {
    const { error = failed('REQUEST_LOST'), ...rest } = given;
    const { fails, shows } = movesOf({ alternatives: listed('b', 'c'), ...rest });
    await fails(busy);
    shows('b', 'one ');
    expect(await fails(error)).toEqual([undefined, undefined]);
  });
});

describe('a request whose answer a relay would have cut', () => {
  const cut = failed('RELAY_LIMIT', { by: 'the peer' });

  /** Room that is made or not, and for how much it was asked. */
  function room(...made: boolean[]) {
    const asked: [peerId: string, bytes: number][] = [];
    const makeRoom = (peerId: string, bytes: number): Promise<boolean> => {
      asked.push([peerId, bytes]);
      return Promise.resolve(made.shift() ?? false);
    };
    return { asked, makeRoom };
  }

  test('is asked again of the same peer at once, when there is room for what it has said and some more', async () => {
    const { asked, makeRoom } = room(true, true, true);
    const { fails, shows } = movesOf({ makeRoom, alternatives: listed('b') });
    for (const count of [40_000, 30_000, 0]) {
      if (count > 0) shows('a', 'x'.repeat(count));
      expect(await fails(cut)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, 'a']);
    }
    expect(asked).toEqual([
      ['a', 40_000 + 16_384],
      ['a', 70_000 + 16_384],
      ['a', 70_000 + 4 * 16_384],
    ]);
  });

  test('is asked again once beyond its attempts when nobody retries, and for no retry of others', async () => {
    const { asked, makeRoom } = room(true, true);
    const once = { strategy: { maxAttempts: 1 }, config: { retryRatio: 0, retryBurst: 0 } };
    const { fails, moves } = movesOf({ ...once, makeRoom, mayComeBack: true });
    expect((await fails(cut))[1]).toBe('a');
    expect(await fails(failed('REQUEST_LOST'))).toEqual([undefined, undefined]);
    expect(moves.worst).toBe(cut);
    expect(asked).toHaveLength(1);
    const again = movesOf({ ...once, ...room(true, true), mayComeBack: true });
    expect((await again.fails(cut))[1]).toBe('a');
    expect(await again.fails(cut)).toEqual([undefined, undefined]);
    const other = movesOf({ ...once, makeRoom, mayComeBack: true });
    expect(await other.fails(busy)).toEqual([undefined, undefined]);
  });

  test('goes elsewhere when there is none, or ends', async () => {
    const elsewhere = movesOf({ ...room(), alternatives: listed('b') });
    expect(await elsewhere.fails(cut)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, 'b']);
    const nowhere = movesOf(room());
    expect(await nowhere.fails(cut)).toEqual([{ isElsewhere: true, leastDelayMs: 0 }, undefined]);
    expect(nowhere.moves.worst).toBe(cut);
  });

  test('ends when its attempts are spent, whatever room there is', async () => {
    const { asked, makeRoom } = room(true, true, true);
    const { fails } = movesOf({ makeRoom, strategy: { maxAttempts: 2 } });
    expect((await fails(cut))[1]).toBe('a');
    expect(await fails(cut)).toEqual([undefined, undefined]);
    expect(asked).toHaveLength(1);
  });

  test('is not asked again when this node has found no room itself, or others have gone on since', async () => {
    const { asked, makeRoom } = room(true, true);
    const own = movesOf({ makeRoom });
    expect(await own.fails(failed('RELAY_LIMIT', { by: 'this node' }))).toEqual([undefined, undefined]);
    const late = movesOf({ makeRoom });
    late.shows('b', 'of another');
    expect(await late.fails(cut)).toEqual([undefined, undefined]);
    expect(asked).toEqual([]);
  });
});

describe('one more to ask beside the first', () => {
  test('is another provider, as long as requests pay for it', () => {
    const { moves } = movesOf({ alternatives: listed('b'), config: { retryRatio: 0, retryBurst: 1 } });
    moves.asks('a');
    expect([moves.extra(), moves.extra()]).toEqual(['b', undefined]);
  });

  test('is nobody when the request cannot move, or nobody is known', () => {
    for (const given of [{ alternatives: listed('b'), plan: { canMove: false } }, {}]) {
      const { moves, peers } = movesOf({ ...given, config: { retryRatio: 0, retryBurst: 1 } });
      moves.asks('a');
      expect(moves.extra()).toBeUndefined();
      expect(peers.budget.take()).toBe(true);
    }
  });
});
