import { describe, expect, it } from 'vitest';
import type { Candidate } from './ballot.ts';
import type { AddressServer, ReachabilityAnswer } from './reachabilityNetwork.ts';
import { Verdicts } from './verdicts.ts';

const at = { now: 0, elapsed: 0 };
const candidate = (address: string, isOwn = true): Candidate => ({
  address,
  ip: '9.9.9.9',
  family: 4,
  scope: 'global',
  isOwn,
});
const server = (peerId: string, network = peerId): AddressServer => ({
  peerId,
  network,
  ip: '1.1.1.1',
  family: 4,
  scope: 'global',
});
const servers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((peerId) => server(peerId));

function begun(...candidates: readonly Candidate[]) {
  const verdicts = new Verdicts();
  verdicts.setCandidates(
    candidates.length > 0 ? candidates : ['one', 'two', 'three'].map((name) => candidate(name)),
  );
  let among = servers;
  const say = (kind: ReachabilityAnswer['kind'], ...peers: readonly string[]): string => {
    const address = verdicts.next(among)?.address ?? '';
    for (const peerId of peers) {
      verdicts.next(among)?.ballot.ask(peerId);
      verdicts.hear(address, { server: server(peerId), kind }, at);
    }
    verdicts.settle(among, at);
    return verdicts.isPending(address) ? `${address}?` : address;
  };
  const meet = (count: number): void => void (among = servers.slice(0, count));
  return { verdicts, say, meet };
}

describe('a round', () => {
  it('takes the likeliest first, and next time what was never tried', () => {
    const { verdicts, say } = begun();
    expect([say('unreachable', 'a', 'b'), say('refused', 'a', 'b', 'c'), say('reachable', 'a')]).toEqual([
      'one',
      'two',
      'three',
    ]);
    expect([verdicts.isRoundOver, verdicts.round]).toMatchObject([
      true,
      { failed: ['one'], reached: ['three'], isDisputed: false },
    ]);
    expect(verdicts.next(servers)).toMatchObject({ address: 'two', count: 2 });
    say('refused', 'a', 'b', 'c');
    expect(verdicts.next(servers)).toMatchObject({ address: 'three', count: 1 });
  });

  it('takes along what comes later', () => {
    const { verdicts, say } = begun();
    say('unreachable', 'a', 'b');
    expect(verdicts.setCandidates(['four', 'two', 'three'].map((name) => candidate(name)))).toBe(true);
    expect(verdicts.next(servers)?.address).toBe('four');
    expect(verdicts.explain().map(({ address }) => address)).toEqual(['two', 'three', 'four']);
  });

  it('leaves an address alone that three refuse, or everybody there is', () => {
    const { say, meet } = begun();
    expect([say('refused', 'a', 'b'), say('refused', 'c')]).toEqual(['one?', 'one']);
    meet(2);
    expect([say('refused', 'a'), say('refused', 'b')]).toEqual(['two?', 'two']);
  });

  it('leaves an address alone after eight questions that came to nothing', () => {
    const { say } = begun();
    expect(say('silent', 'a', 'a', 'a', 'a', 'a', 'a', 'a')).toBe('one?');
    expect(say('silent', 'b')).toBe('one');
  });
});

describe('what is said of an address', () => {
  const rows: readonly (readonly [what: string, words: string, among: number, expected: string])[] = [
    ['one proof', 'a+', 9, 'reached'],
    ['one no of many', 'a-', 9, ''],
    ['one no of one', 'a-', 1, 'failed'],
    ['two noes', 'a- b-', 9, 'failed'],
    ['two noes that came earlier than a proof', 'a- b-', 3, 'failed'],
    ['a no and a proof', 'a- b+', 9, ''],
    ['a no and a proof of two', 'a- b+', 2, 'reached'],
    ['a no and two proofs', 'a- b+ c+', 9, 'reached'],
    ['three noes and a proof', 'a- b+ c- d-', 9, ''],
    ['four noes and a proof', 'a- b+ c- d- e-', 9, 'failed'],
    ['a no, and nothing of all others', 'a- b? c? d? e? f? g? h?', 9, 'failed'],
  ];
  it.each(rows)('%s', (...[, words, among, expected]) => {
    const { verdicts, say, meet } = begun(candidate('one'));
    meet(among);
    const kinds = { '+': 'reachable', '-': 'unreachable', '?': 'silent' } as const;
    for (const [peerId = '', sign] of words.split(' ')) say(kinds[sign as '+'], peerId);
    const { reached, failed } = verdicts.round;
    expect([reached.length > 0 ? 'reached' : '', failed.length > 0 ? 'failed' : ''].join('')).toBe(expected);
  });

  it('is asked of those who got through before, once others say no', () => {
    const { verdicts, say } = begun(candidate('one'));
    say('reachable', 'c');
    expect(say('unreachable', 'a', 'b')).toBe('one?');
    expect(verdicts.next(servers)?.servers.map(({ peerId }) => peerId)).toEqual(['c']);
    expect(say('unreachable', 'c')).toBe('one');
    // A proof of long ago is none.
    expect(verdicts.expire(600_000)).toEqual([]);
    expect(verdicts.expire(600_001)).toEqual(['one']);
    expect(say('unreachable', 'a', 'b')).toBe('one');
  });

  it('needs two networks where no interface has the address, and is disputed between two', () => {
    const { verdicts, say, meet } = begun(candidate('one', false));
    expect([say('reachable', 'a'), say('reachable', 'b')]).toEqual(['one?', 'one']);
    const other = begun(candidate('one', false));
    other.meet(2);
    expect([other.say('reachable', 'a'), other.say('unreachable', 'b')]).toEqual(['one?', 'one']);
    expect(other.verdicts.round).toEqual({ reached: [], failed: [], isDisputed: true });
    meet(2);
    // Known to be this node's, it is reached as any other.
    expect([say('unreachable', 'a'), say('reachable', 'b'), verdicts.isGood('one')]).toEqual([
      'one?',
      'one',
      true,
    ]);
  });
});
