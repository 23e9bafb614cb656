import { describe, expect, it } from 'vitest';
import { HandClock, provenOf, type DescriptorConfig } from '../../test/descriptors.ts';
import { executor } from '../../test/fakes.ts';
import { KnownPeers, maxPeers, type Source } from './knownPeers.ts';

const beliefMs = 60_000;
const keptMs = 600_000;
const megabyte = 1024 * 1024;

function begin() {
  const clock = new HandClock();
  const known = new KnownPeers(clock, beliefMs);
  const hear = (peerId: string, config: DescriptorConfig = {}, source: Source = 'asked'): void =>
    void known.note(provenOf(peerId, { timestampMs: clock.now(), ...config }), source);
  const live = (): string[] => known.live().map(({ peerId }) => peerId);
  const dormant = (): string[] => known.dormant().map(({ peerId }) => peerId);
  return { clock, known, hear, live, dormant };
}

describe('a peer that was heard', () => {
  it('is believed, with when it was heard', () => {
    const { clock, known, hear, live } = begin();
    clock.elapsedMs = 5;
    hear('a', { services: [executor(['m'])] });
    expect(live()).toEqual(['a']);
    expect(known.get('a')).toMatchObject({ heardAt: clock.now(), heardAtMs: 5, isDoubtful: false });
    expect(known.services('a')).toEqual([executor(['m'])]);
    expect(known.get('b')).toBeUndefined();
    expect(known.services('b')).toEqual([]);
  });

  it('is believed until two announcements were missed, and worth a question after that', () => {
    const { clock, known, hear, live, dormant } = begin();
    hear('a');
    clock.elapsedMs = beliefMs - 1;
    expect([live(), dormant()]).toEqual([['a'], []]);
    clock.elapsedMs = beliefMs;
    expect([live(), dormant()]).toEqual([[], ['a']]);
    expect(known.get('a')).toBeUndefined();
    hear('a');
    expect([live(), dormant()]).toEqual([['a'], []]);
  });

  it('is believed from its signature on when others spoke of it: they prove no later life', () => {
    const { clock, hear, live } = begin();
    const signedAt = clock.now();
    clock.elapsedMs = 40_000;
    hear('a', { timestampMs: signedAt }, 'relayed');
    hear('b', { timestampMs: signedAt });
    clock.elapsedMs = beliefMs - 1;
    expect(live()).toEqual(['a', 'b']);
    clock.elapsedMs = beliefMs;
    expect(live()).toEqual(['b']);
  });

  it('is not brought back, when it is lost, by what it had signed before', () => {
    const { clock, known, hear, live } = begin();
    for (const peerId of ['lost', 'silent']) hear(peerId);
    clock.elapsedMs = 10_000;
    known.doubt('lost');
    known.disbelieve('silent');
    const before = { timestampMs: clock.now() - 1 };
    for (const peerId of ['lost', 'silent']) hear(peerId, before, 'relayed');
    expect([live(), known.get('lost')?.isDoubtful]).toEqual([['lost'], true]);
    clock.elapsedMs = 20_000;
    for (const peerId of ['lost', 'silent']) hear(peerId, {}, 'relayed');
    expect([live(), known.get('silent')?.isDoubtful]).toEqual([['lost', 'silent'], false]);
  });

  it('is doubtful, like all others, when this node was away', () => {
    const { known, hear } = begin();
    for (const peerId of ['a', 'b']) hear(peerId);
    known.doubtAll();
    expect(known.live().map(({ isDoubtful }) => isDoubtful)).toEqual([true, true]);
  });

  it('is not believed for longer than its descriptor is valid', () => {
    const { clock, hear, live } = begin();
    hear('a', { ttlMs: 10_000 });
    clock.elapsedMs = 10_000;
    expect(live()).toEqual([]);
  });

  it('is neither believed nor asked when it offers nothing, and kept all the same', () => {
    const { known, hear, live, dormant } = begin();
    hear('a', { services: [] });
    expect([live(), dormant(), known.size]).toEqual([[], [], 1]);
  });

  it('comes after those that were heard before it', () => {
    const { hear, live } = begin();
    hear('a');
    hear('b');
    hear('a');
    expect(live()).toEqual(['b', 'a']);
  });

  it('is kept for ten minutes, so that nothing older can take its place, and then forgotten', () => {
    const { clock, known, hear } = begin();
    hear('a', { sequence: 7 });
    clock.elapsedMs = keptMs - 1;
    expect(known.dormant()).toHaveLength(1);
    expect(known.refuses(provenOf('a', { sequence: 6 }), 'asked')).toBe('STALE');
    clock.elapsedMs = keptMs;
    expect([known.live(), known.size]).toEqual([[], 0]);
    expect(known.refuses(provenOf('a', { sequence: 6 }), 'asked')).toBeUndefined();
  });
});

describe('doubt', () => {
  it('falls on a peer whose connection is lost, until it is heard again', () => {
    const { known, hear } = begin();
    hear('a');
    known.doubt('a');
    known.doubt('b');
    expect([known.get('a')?.isDoubtful, known.size]).toEqual([true, 1]);
    hear('a');
    expect(known.get('a')?.isDoubtful).toBe(false);
  });

  it('is certainty when a peer did not answer: it is kept, and not believed', () => {
    const { known, hear, live, dormant } = begin();
    hear('a');
    known.disbelieve('a');
    known.disbelieve('b');
    expect([live(), dormant(), known.size]).toEqual([[], ['a'], 1]);
  });
});

describe('a descriptor that comes', () => {
  const [earlier, same, later] = [1_600_000_000_000, 1_700_000_000_000, 1_700_000_001_000];
  const row = (what: string, source: Source, config: DescriptorConfig) => ({
    is: (verdict?: 'STALE' | 'REPLAYED') => ({ what, source, config, verdict }),
  });
  it.each([
    row('is newer', 'relayed', { sequence: 6, timestampMs: earlier }).is(),
    row('is older, even from the peer itself', 'asked', { sequence: 4, timestampMs: later }).is('STALE'),
    row('is older, and announced', 'announced', { sequence: 4, timestampMs: later }).is('STALE'),
    row('is the same, and the peer says so itself', 'asked', { sequence: 5, timestampMs: earlier }).is(),
    row('is the same, and the peer announces it', 'announced', { sequence: 5, timestampMs: earlier }).is(),
    row('is the same, signed anew, and relayed', 'relayed', { sequence: 5, timestampMs: later }).is(),
    row('is the same, and relayed', 'relayed', { sequence: 5, timestampMs: same }).is('REPLAYED'),
    row('was signed before, and is relayed', 'relayed', { sequence: 5, timestampMs: earlier }).is('REPLAYED'),
  ])('$what: $verdict', ({ source, config, verdict }) => {
    const { known, hear } = begin();
    hear('a', { sequence: 5 });
    expect(known.refuses(provenOf('a', config), source)).toBe(verdict);
  });

  it('counts when nothing is known of its peer', () => {
    expect(begin().known.refuses(provenOf('a'), 'relayed')).toBeUndefined();
  });

  it('proves life, and does not replace a later signature of the same', () => {
    const { clock, known, hear } = begin();
    hear('a', { timestampMs: later });
    clock.elapsedMs = 50_000;
    hear('a', { timestampMs: later - 10 });
    expect(known.get('a')?.message.timestampMs).toBe(later);
    clock.elapsedMs = 89_000;
    expect(known.get('a')).toBeDefined();
  });
});

describe('too many peers', () => {
  it('push out those that others spoke of first, then those heard longest ago', () => {
    const { known, hear } = begin();
    hear('first');
    hear('relayed', {}, 'relayed');
    for (let index = 2; index < maxPeers; index++) hear(`p${index}`);
    expect(known.size).toBe(maxPeers);
    hear('x');
    expect([known.size, known.get('relayed'), known.get('first')?.peerId]).toEqual([
      maxPeers,
      undefined,
      'first',
    ]);
    hear('y');
    expect([known.size, known.get('first'), known.get('p2')?.peerId]).toEqual([maxPeers, undefined, 'p2']);
  });

  it('cannot push out peers that were heard by being relayed', () => {
    const { known, hear, live } = begin();
    for (let index = 0; index < maxPeers; index++) hear(`p${index}`);
    hear('r1', {}, 'relayed');
    hear('r2', {}, 'relayed');
    expect(known.size).toBe(maxPeers);
    expect(live().filter((peerId) => peerId.startsWith('r'))).toEqual(['r2']);
  });

  it('are also those that say too much: 16 MiB in all', () => {
    const { known, hear, live } = begin();
    for (let index = 0; index < 16; index++) hear(`p${index}`, { sizeBytes: megabyte });
    expect(known.size).toBe(16);
    hear('p1', { sizeBytes: megabyte });
    expect(known.size).toBe(16);
    hear('small', { sizeBytes: 1 });
    expect(live()).toEqual([...Array.from({ length: 14 }, (_, index) => `p${index + 2}`), 'p1', 'small']);
  });

  it('cannot push out those that say little by saying much', () => {
    const { hear, live } = begin();
    const small = Array.from({ length: 50 }, (_, index) => `small ${index}`);
    for (const peerId of small) hear(peerId);
    for (let index = 0; index < 300; index++) hear(`large ${index}`, { sizeBytes: megabyte / 16 });
    expect(live()).toEqual(expect.arrayContaining(small));
  });
});

describe('what was proven before a restart', () => {
  it('is kept and worth a question, and not believed before its peer is heard', () => {
    const { known, hear, live, dormant } = begin();
    known.restore(provenOf('a', { sequence: 5 }));
    expect([live(), dormant()]).toEqual([[], ['a']]);
    expect(known.refuses(provenOf('a', { sequence: 4 }), 'asked')).toBe('STALE');
    hear('a', { sequence: 5 });
    expect(live()).toEqual(['a']);
  });

  it('does not replace what was heard since', () => {
    const { known, hear, live } = begin();
    hear('a', { sequence: 9 });
    known.restore(provenOf('a', { sequence: 5 }));
    expect(live()).toEqual(['a']);
    expect(known.get('a')?.message.payload.sequence).toBe(9);
  });
});
