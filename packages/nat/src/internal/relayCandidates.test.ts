import { describe, expect, it } from 'vitest';
import { partOf, RelayCandidates } from './relayCandidates.ts';

const of = (peerId: string, ...addresses: string[]) => ({ peerId, addresses });
const none = new Set<string>();

describe('relays to be tried', () => {
  it('are tried in the order in which they were found, near ones first, each once', () => {
    const candidates = new RelayCandidates();
    for (const peerId of ['a', 'b', 'a']) candidates.add(of(peerId), false);
    candidates.add(of('c'), true);
    const taken = Array.from({ length: 4 }, () => candidates.take(none, 0)?.peerId);
    expect(taken).toEqual(['c', 'a', 'b', undefined]);
  });

  it('are from parts of the internet that are not in use, where there is a choice', () => {
    const candidates = new RelayCandidates();
    candidates.add(of('a', '/ip4/45.1.2.3/tcp/1'), false);
    candidates.add(of('b', '/dns4/b.test/tcp/1', '/ip4/45.2.2.3/tcp/1'), false);
    const used = new Set(['45.1']);
    expect(candidates.take(used, 0)?.peerId).toBe('b');
    expect(candidates.take(used, 0)?.peerId).toBe('a');
  });

  it('come last for ten minutes after they failed', () => {
    const candidates = new RelayCandidates();
    candidates.noteFailure('a', 0);
    for (const peerId of ['a', 'b']) candidates.add(of(peerId), false);
    expect([candidates.fresh(599_999), candidates.fresh(600_000)]).toEqual([1, 2]);
    expect(candidates.take(none, 599_999)?.peerId).toBe('b');
  });

  it('are 64 at most, with eight addresses each', () => {
    const candidates = new RelayCandidates();
    for (let n = 0; n < 100; n++)
      candidates.add(of(`${n}`, ...Array<string>(20).fill('/ip4/45.1.2.3/tcp/1')), n > 70);
    expect(candidates.fresh(0)).toBe(64);
    expect(candidates.take(none, 0)).toMatchObject({ peerId: '99', addresses: { length: 8 } });
    candidates.clear();
    expect(candidates.take(none, 0)).toBeUndefined();
  });
});

describe('the part of the internet', () => {
  it.each([
    ['/ip4/45.1.2.3/tcp/1', '45.1'],
    ['/ip6/2001:db8:1::1/tcp/1', '2001:db8'],
    ['/dns4/relay.test/tcp/1', undefined],
  ])('of %s is %s', (address, part) => {
    expect(partOf([address])).toBe(part);
  });
});
