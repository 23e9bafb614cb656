import { expect, it } from 'vitest';
import { Votes, type Said } from './votes.ts';

const minuteMs = 60_000;
const yes = (): Said => 'reachable';
const no = (): Said => 'unreachable';
const own = '/ip4/9.0.0.1/tcp/4001';
const seenAt = '5.5.5.5';
const forwarded = `/ip4/${seenAt}/tcp/4001`;
/** A node behind a router that forwards its port, or somebody else's address. */
const behind = { listening: ['10.0.0.7'], seenAt };
const onlyGlobalIps = true;

for (const [liars, honest] of [
  [1, 1],
  [1, 2],
  [2, 2],
  [2, 1],
  [3, 1],
] as const) {
  for (const where of ['networks of their own', 'one network'] as const) {
    it(`a node is public to stay with ${liars} who lie and ${honest} who get through, of ${where}`, async () => {
      const votes = await new Votes().start();
      const ipOf = (): string | undefined =>
        where === 'one network' ? `1.1.1.${votes.peers.size + 1}` : undefined;
      for (let at = 0; at < liars; at++) votes.add(`liar ${at}`, no, ipOf());
      for (let at = 0; at < honest; at++) votes.add(`honest ${at}`, yes, ipOf());
      await votes.runFor(60 * minuteMs);
      const kinds = votes.told.map(({ kind }) => kind);
      // Two who agree are believed until somebody gets through.
      expect(liars > 1 ? kinds.filter((kind) => kind !== 'private') : kinds).toEqual(['public']);
      expect([votes.kind, votes.confidence]).toEqual(['public', 3]);
    });
  }
}

it('two networks have to say no, and are asked at once', async () => {
  const votes = await new Votes().start();
  for (const name of ['a', 'b', 'c']) votes.add(name, no);
  expect(await votes.clock.runUntil(() => votes.kind === 'private', 3_500)).toBe(true);
  expect(votes.asked).toEqual(['a', 'b']);
});

it('whoever comes while somebody else dials is asked at once as well', async () => {
  const votes = await new Votes().start();
  votes.add('a', no);
  await votes.runFor(1_000);
  votes.add('b', no);
  await votes.runFor(3_300);
  expect([votes.kind, votes.asked]).toEqual(['private', ['a', 'b']]);
});

it('who never answers holds nothing up for long', async () => {
  const votes = await new Votes().start();
  for (const name of ['mute 1', 'mute 2']) votes.add(name, () => 'silent');
  for (const name of ['a', 'b']) votes.add(name, no);
  await votes.runFor(5_000);
  expect(votes.kind).toBe('private');
});

for (const confidenceThreshold of [1, 3, 5]) {
  it(`with a threshold of ${confidenceThreshold} as many rounds in a row turn the status`, async () => {
    const votes = await new Votes().start({ confidenceThreshold });
    const peers = ['a', 'b', 'c'].map((name) => votes.add(name, yes));
    await votes.clock.runUntil(() => votes.confidence === confidenceThreshold, 10 * minuteMs);
    for (const peer of peers) peer.says = no;
    const confidences = new Set<number>();
    const isPrivate = (): boolean => {
      if (votes.kind === 'public') confidences.add(votes.confidence);
      return votes.kind === 'private';
    };
    // The first round is 5.5 minutes away at most, the others follow the throttle.
    const limitMs = 5.5 * minuteMs + confidenceThreshold * 30_000;
    expect(await votes.clock.runUntil(isPrivate, limitMs)).toBe(true);
    expect(confidences.size).toBe(confidenceThreshold);
    expect(votes.announced.size).toBe(0);
  });
}

it('a proof makes a status as sure again as it was', async () => {
  const votes = await new Votes().start();
  const peers = ['a', 'b', 'c'].map((name) => votes.add(name, yes));
  await votes.runFor(minuteMs);
  for (const peer of peers) peer.says = no;
  await votes.clock.runUntil(() => votes.confidence === 1, 10 * minuteMs);
  for (const peer of peers) peer.says = yes;
  await votes.runFor(15_000);
  expect([votes.kind, votes.confidence, votes.told.length]).toEqual(['public', 3, 1]);
});

it('a node behind a firewall that admits one friend turns private in three rounds, and stays it', async () => {
  const votes = await new Votes().start();
  votes.add('friend', yes);
  const peers = ['a', 'b', 'c', 'd'].map((name) => votes.add(name, yes));
  await votes.runFor(minuteMs);
  expect([votes.kind, votes.confidence]).toEqual(['public', 3]);
  for (const peer of peers) peer.says = no;
  // The first round may be one in which only the friend was asked.
  await votes.runFor(11 * minuteMs + 90_000);
  expect(votes.kind).toBe('private');
  await votes.runFor(60 * minuteMs);
  expect(votes.told.map(({ kind }) => kind)).toEqual(['public', 'private']);
});

it('an address that only a stranger vouches for is never told while others can be asked', async () => {
  const votes = await new Votes(behind).start({ onlyGlobalIps });
  votes.add('liar', yes);
  votes.add('honest', no);
  const announced = new Set<string>();
  await votes.clock.runUntil(() => {
    for (const address of votes.announced) announced.add(address);
    return false;
  }, 30 * minuteMs);
  expect([[...announced], votes.kind]).toEqual([[], 'unknown']);
  // Undecided for good, it is looked into ever more rarely.
  expect(votes.asked.length).toBeLessThan(60);
});

it('an address that the only peer vouches for is told, until the first other network contradicts', async () => {
  const votes = await new Votes(behind).start({ onlyGlobalIps });
  votes.add('liar', yes);
  await votes.runFor(minuteMs);
  expect([[...votes.announced], votes.kind, votes.confidence]).toEqual([[forwarded], 'public', 3]);
  votes.add('honest', no);
  await votes.runFor(4_000);
  expect([[...votes.announced], votes.kind]).toEqual([[], 'unknown']);
  await votes.runFor(30 * minuteMs);
  expect(votes.told.map(({ kind }) => kind)).toEqual(['public', 'unknown']);
});

it('an address that two networks vouch for is told at once, and no liar takes it back', async () => {
  const votes = await new Votes(behind).start({ onlyGlobalIps });
  for (const name of ['a', 'b']) votes.add(name, yes);
  await votes.runFor(1_000);
  expect([[...votes.announced], votes.kind]).toEqual([[forwarded], 'public']);
  votes.add('liar', no);
  votes.remove('b');
  await votes.runFor(60 * minuteMs);
  expect([[...votes.announced], votes.told.length, votes.confidence]).toEqual([[forwarded], 1, 3]);
});

it('peers on this side of the router are not asked about its address, nor believed that it is closed', async () => {
  const votes = await new Votes(behind).start({ onlyGlobalIps });
  votes.add('private', no, '10.0.0.9');
  votes.add('hairpin', no, seenAt);
  await votes.runFor(10 * minuteMs);
  expect(votes.told).toEqual([]);
  const before = votes.asked.length;
  for (const name of ['a', 'b']) votes.add(name, yes);
  await votes.runFor(60 * minuteMs);
  expect(votes.told).toEqual([{ kind: 'public', address: forwarded }]);
  expect(new Set(votes.asked.slice(before))).toEqual(new Set(['a', 'b']));
});

it('peers in the same IPv6 subnet do not tell whether others get in', async () => {
  const votes = await new Votes({ listening: ['2600:1::7'] }).start({ onlyGlobalIps });
  votes.add('neighbour', yes, '2600:1::9');
  for (const ip of ['2600:2::1', '2600:3::1']) votes.add(ip, no, ip);
  await votes.runFor(60 * minuteMs);
  expect(votes.told).toEqual([{ kind: 'private' }]);
});

it('several addresses are each tried, and what is refused by all holds up no verdict', async () => {
  const votes = await new Votes({ listening: ['2600:1::7', '9.0.0.1', '9.0.0.2'] }).start({ onlyGlobalIps });
  const says = (address: string): Said => {
    if (address.includes('ip6')) return 'refused';
    return address === own ? 'reachable' : 'unreachable';
  };
  for (const name of ['a', 'b', 'c', 'd']) votes.add(name, says);
  await votes.runFor(minuteMs);
  expect(votes.told).toEqual([{ kind: 'public', address: own }]);
  expect(votes.probing.explain().candidates.map(({ verdict }) => verdict)).toEqual([
    'untested',
    'reachable',
    'unreachable',
  ]);
});
