import { Identity, IdentityError } from '@lloom/identity';
import { describe, expect, test } from 'vitest';
import { judgeAnnouncing, judgeListening, probeListening } from './addresses.ts';
import { hostOf, scopeOf } from './addressScope.ts';
import { dialAdvice, judgeBootstrap } from './bootstrap.ts';
import { judgeClock, sampleOf, type ClockSample } from './clock.ts';
import { judgeDht, type DhtFacts } from './dht.ts';
import { count, linesOf, ok, spoken, summaryOf, type Finding } from './finding.ts';
import { judgeData, judgeIdentity, lockHolder, type DataFacts } from './machine.ts';
import { isFormed, judgeMesh, type MeshFacts } from './mesh.ts';
import { judgeNodeVersion } from './nodeVersion.ts';
import type { NetworkName } from '../options.ts';
import { judgeReachability, judgeRelay, type ReachabilityFacts, type RelayFacts } from './reachability.ts';

test.each([
  ['20.11.0', 'fail'],
  ['22.1.0', 'ok'],
  ['v23.5.0', 'warn'],
  ['24.21.0', 'ok'],
  ['?', 'fail'],
])('Node.js %s: %s', (version, status) => {
  expect(judgeNodeVersion(version).status).toBe(status);
});

describe('the identity file', () => {
  test('that is missing, wrong or open to others fails, with what to do', () => {
    const error = new IdentityError('FILE_READABLE_BY_OTHERS', { path: 'key.json', mode: '644' });
    const judgement = judgeIdentity({ kind: 'failed', error });
    expect(judgement).toMatchObject({ status: 'fail', finding: error.message });
    expect(judgement.advice).toContain('new key');
  });
  test('that is good names the peer, never the key', () => {
    const identity = Identity.generate();
    const { status, finding } = judgeIdentity({ kind: 'read', identity, file: 'key.json' });
    expect([status, finding.includes(identity.peerId)]).toEqual(['ok', true]);
    expect(judgeIdentity({ kind: 'none' }).status).toBe('skip');
  });
});

describe('the folder of the data', () => {
  const good: DataFacts = {
    folder: '/data',
    state: 'folder',
    isWritable: true,
    heldBy: undefined,
    freeBytes: 1e12,
    sizeBytes: 2e12,
  };
  test.each<[string, Partial<DataFacts>, string, string]>([
    ['can be used', {}, 'ok', 'can be written'],
    ['is not there yet', { state: 'absent' }, 'ok', 'can be made'],
    ['is a file', { state: 'other' }, 'fail', 'no folder'],
    ['cannot be written to', { isWritable: false }, 'fail', 'cannot be written'],
    ['cannot be made', { state: 'absent', isWritable: false }, 'fail', 'cannot be made'],
    ['has a full disk', { freeBytes: 5_000_000 }, 'warn', '5 MB'],
    [
      'is where nothing can be kept',
      { state: 'absent', freeBytes: 0, sizeBytes: 0 },
      'warn',
      'keeps no files',
    ],
    ['is used by a node that runs', { heldBy: 42, isWritable: false }, 'ok', 'process 42'],
  ])('%s', (_, facts, ...[status, words]) => {
    const judgement = judgeData({ ...good, ...facts });
    expect(judgement.status).toBe(status);
    expect(judgement.finding).toContain(words);
  });
  test('is known to be in use by its lock', () => {
    const locks =
      '1: POSIX  ADVISORY  WRITE 911 fe:00:1234 0 EOF\n2: FLOCK  ADVISORY  READ 912 fe:00:99 0 EOF\n';
    expect(lockHolder(locks, 1234)).toBe(911);
    expect(lockHolder(locks, 99)).toBeUndefined();
    expect(lockHolder('', 1234)).toBeUndefined();
  });
});

test.each([
  ['/ip4/0.0.0.0/tcp/1', 'any'],
  ['/ip4/127.8.0.1/tcp/1', 'loopback'],
  ['/ip6/::1/tcp/1', 'loopback'],
  ['/ip4/192.168.1.4/tcp/1', 'private'],
  ['/ip4/172.31.0.1/tcp/1', 'private'],
  ['/ip4/100.64.3.3/tcp/1', 'private'],
  ['/ip6/fe80::1/tcp/1', 'private'],
  ['/ip4/8.8.8.8/tcp/1', 'public'],
  ['/ip6/2606:4700::1111/tcp/1', 'public'],
  ['/dns4/node.example/tcp/1', 'name'],
  ['/ip4/8.8.8.8/tcp/1/p2p/16Uiu2/p2p-circuit', 'relayed'],
  ['/memory/a', 'other'],
])('%s is %s', (address, scope) => {
  expect(scopeOf(address)).toBe(scope);
});

test('the host of an address is what is dialled', () => {
  expect(hostOf('/ip6/::1/tcp/4001')).toEqual({ host: '::1', port: 4001 });
  expect(hostOf('/memory/a')).toBeUndefined();
});

describe('listening', () => {
  const at = (address: string, problem?: string) => ({ address, ...(problem !== undefined && { problem }) });
  test.each([
    ['well', { network: 'loopback', addresses: [at('/ip4/127.0.0.1/tcp/1')] }, 'ok'],
    ['nowhere', { network: 'lan', addresses: [] }, 'warn'],
    ['behind a firewall', { network: 'lan', addresses: [at('/ip4/10.0.0.1/tcp/1', 'ETIMEDOUT')] }, 'fail'],
    [
      'on this machine alone in a wider network',
      { network: 'public', addresses: [at('/ip4/127.0.0.1/tcp/1')] },
      'warn',
    ],
    ['on a port that is taken', { network: 'lan', addresses: [], error: new Error('in use') }, 'fail'],
  ] as const)('%s', (_, facts, status) => {
    expect(judgeListening(facts).status).toBe(status);
  });
  test('is not judged when no time was left to look', async () => {
    const over = new Error('over');
    const node = { listenedAddresses: () => ['/ip4/127.0.0.1/tcp/1'] };
    const probing = probeListening(node, { ms: 60_000, signal: AbortSignal.abort(over) });
    await expect(probing).rejects.toBe(over);
  });
});

describe('what others are told', () => {
  const publicOne = '/ip4/8.8.8.8/tcp/4001';
  const privateOne = '/ip4/10.0.0.1/tcp/4001';
  test.each<[string, NetworkName, readonly string[], readonly string[], Finding['status']]>([
    ['nothing outside of this machine', 'loopback', [], [privateOne], 'skip'],
    ['a private address in a public network', 'public', [privateOne], [], 'fail'],
    ['a private address in a local one', 'lan', [privateOne], [], 'ok'],
    ['loopback in a local one', 'lan', ['/ip4/127.0.0.1/tcp/1'], [], 'fail'],
    ['what was found', 'public', [], [privateOne, publicOne], 'ok'],
    ['a way through a relay', 'public', [], [`${publicOne}/p2p/x/p2p-circuit`], 'ok'],
    ['nothing yet', 'public', [], [privateOne], 'warn'],
  ])('%s', (_, network, ...[given, told, status]) => {
    expect(judgeAnnouncing({ network, given, told }).status).toBe(status);
  });
});

describe('a bootstrap peer', () => {
  const peer = { address: '/ip4/1.2.3.4/tcp/1', peerId: 'a' };
  const protocols = ['/lloom/kad/1.0.0', '/lloom/descriptor/1.0.0', '/meshsub/1.2.0'];
  test('is good when it speaks what joining takes', () => {
    expect(judgeBootstrap({ ...peer, ms: 12, protocols, agentVersion: 'lloom/1' }, true)).toEqual(
      ok('connected in 12 ms, runs lloom/1'),
    );
  });
  test('of another network is named as that', () => {
    const judgement = judgeBootstrap({ ...peer, ms: 12, protocols: ['/ipfs/kad/1.0.0'] }, true);
    expect(judgement.status).toBe('warn');
    expect(judgement.finding).toContain('/lloom/kad/1.0.0');
  });
  test('that does not answer fails only when no other one does', () => {
    const facts = { ...peer, problem: 'connect ECONNREFUSED 1.2.3.4:1' };
    expect(judgeBootstrap(facts, false).status).toBe('fail');
    expect(judgeBootstrap(facts, true).status).toBe('warn');
    expect(judgeBootstrap({ ...peer, isSelf: true }, false).status).toBe('skip');
    expect(judgeBootstrap({ ...peer, isCut: true }, false).status).toBe('warn');
  });
  test.each([
    ['connect ECONNREFUSED 127.0.0.1:1', 'Nothing listens'],
    ['getaddrinfo ENOTFOUND node.example', 'name'],
    ['connect ENETUNREACH 1.2.3.4:1', 'network of this machine'],
    ['The dial request has no valid addresses for peer', '--network'],
    ['Payload identity key a does not match expected remote identity key b', 'Another node'],
    ['a public address, policy is "loopback"', '--network'],
    ['Missing newline', 'Something else'],
    ['Unexpected EOF - stream closed while reading 46/72 bytes', 'Something else'],
    ['Protocol selection failed - could not negotiate /noise', 'Something else'],
    ['handshake stage 1 validation fail: could not verify data', 'Something else'],
    ['a connection, but no handshake within 6.0 s', 'a node that hangs'],
    ['Unexpected EOF - stream closed while reading 0/1 bytes', 'may be something else'],
    ['Encryption failed', 'hangs up'],
    ['no answer within 8.0 s', 'firewalls'],
    ['read ECONNRESET', 'hangs up'],
    ['something else', 'Check that the peer runs'],
  ])('%s', (problem, advice) => {
    expect(dialAdvice(problem)).toContain(advice);
  });
});

describe('the clock', () => {
  const hour = 3_600_000;
  /** A peer that is so much ahead, and signed half a minute ago at most. */
  const ahead = (ms: number): ClockSample => ({ peerId: 'a', leastMs: ms - 20_000, mostMs: ms + 10_000 });
  test('is right as long as what peers have signed does not prove the contrary', () => {
    expect(judgeClock([ahead(0), ahead(1_000)]).status).toBe('ok');
    expect(judgeClock([]).status).toBe('skip');
  });
  test('is behind or ahead when most peers prove it', () => {
    const behind = judgeClock([ahead(hour), ahead(hour), ahead(0)]);
    expect(behind.status).toBe('fail');
    expect(behind.finding).toBe('this machine is at least 60 min behind 3 peers');
    expect(judgeClock([ahead(-hour), ahead(-hour)]).finding).toContain('ahead of');
    expect(judgeClock([ahead(hour), ahead(0), ahead(0)]).status).toBe('ok');
  });
  test('is doubted, not judged, by one peer alone', () => {
    expect(judgeClock([ahead(hour)]).status).toBe('warn');
    expect(judgeClock([ahead(40_000), ahead(40_000)]).status).toBe('warn');
  });
  test('of a peer is known by when it signed, and how long it hands that out', () => {
    const stamp = { peerId: 'a', signedAt: 5_000, arrivedAt: 7_000, maxAgeMs: 3_000, maxWayMs: 10 };
    expect(sampleOf(stamp)).toEqual({ peerId: 'a', leastMs: -2_000, mostMs: 1_010 });
  });
});

test.each<[string, Partial<DhtFacts>, string]>([
  ['gives back what was put', { foundAt: 'b', foundMs: 5 }, 'ok'],
  ['is not asked without peers', { peers: 0 }, 'skip'],
  ['does not answer', { asked: 0, problem: 'no end within 10 s' }, 'fail'],
  ['keeps nothing of a node without an address', { hasAddress: false }, 'warn'],
  ['loses what was put', {}, 'fail'],
])('the DHT %s', (_, facts, status) => {
  const put = { peers: 2, hasAddress: true, asked: 2, handedTo: 1, putMs: 5 };
  expect(judgeDht({ ...put, ...facts }).status).toBe(status);
});

describe('a mesh', () => {
  const topic: MeshFacts = { topic: 't', peers: 9, topicPeers: 9, meshPeers: 6 };
  test.each<[string, Partial<MeshFacts>, string]>([
    ['is full enough', {}, 'ok'],
    ['has all there are', { topicPeers: 1, meshPeers: 1 }, 'ok'],
    ['is thin', { meshPeers: 2 }, 'warn'],
    ['is empty', { meshPeers: 0 }, 'warn'],
    ['has nobody to take', { topicPeers: 0, meshPeers: 0 }, 'skip'],
    ['is alone', { peers: 0, topicPeers: 0, meshPeers: 0 }, 'skip'],
    ['has an alarm', { alarm: { reason: 'CLOCK_SKEW', hint: 'Set the clock.' } }, 'warn'],
  ])('%s', (_, facts, status) => {
    expect(judgeMesh({ ...topic, ...facts }).status).toBe(status);
  });
  test('is waited for as long as somebody is missing', () => {
    expect(isFormed([topic, { ...topic, topicPeers: 0, meshPeers: 0 }])).toBe(true);
    expect(isFormed([topic, { ...topic, meshPeers: 1 }])).toBe(false);
    expect(isFormed([{ ...topic, topicPeers: 0, meshPeers: 0 }])).toBe(false);
  });
});

describe('reachability', () => {
  const nat: ReachabilityFacts['nat'] = {
    status: { kind: 'unknown' },
    mapping: 'unknown',
    servers: 2,
    candidates: [{ address: '/ip4/8.8.8.8/tcp/1', verdict: 'unreachable' }],
  };
  const facts: ReachabilityFacts = { network: 'public', peers: 3, waitedMs: 15_000, nat };
  test.each<[string, Partial<ReachabilityFacts>, string]>([
    ['is not asked in small networks', { network: 'lan' }, 'skip'],
    ['is not known without peers', { peers: 0 }, 'skip'],
    ['is not known when nobody tries', { nat: { ...nat, servers: 0 } }, 'skip'],
    ['is open when nobody told in time', {}, 'warn'],
    ['is there', { nat: { ...nat, status: { kind: 'public', address: '/ip4/8.8.8.8/tcp/1' } } }, 'ok'],
    ['is not', { nat: { ...nat, status: { kind: 'private' } } }, 'warn'],
  ])('%s', (_, given, status) => {
    expect(judgeReachability({ ...facts, ...given }).status).toBe(status);
  });
  test('behind a symmetric NAT is told with what was tried', () => {
    const status = { kind: 'private' } as const;
    const { finding } = judgeReachability({
      ...facts,
      nat: { ...nat, status, mapping: 'endpoint-dependent' },
    });
    expect(finding).toContain('/ip4/8.8.8.8/tcp/1');
    expect(finding).toContain('hole punching');
  });
});

test.each<[string, Partial<RelayFacts>, string]>([
  ['is not needed', { isTried: false, status: 'public' }, 'skip'],
  ['keeps a place', { reserved: ['r'] }, 'ok'],
  ['refuses', { problems: ['r: full'] }, 'fail'],
  ['does not answer', { isGiven: true }, 'fail'],
])('a relay %s', (_, facts, status) => {
  const asked = {
    isGiven: false,
    status: 'private',
    known: 1,
    isTried: true,
    reserved: [],
    waitedMs: 9,
    problems: [],
  } as const;
  expect(judgeRelay({ ...asked, ...facts }).status).toBe(status);
});

test('findings are lines for people, with what to do beneath', () => {
  const finding: Finding = { check: 'mesh', subject: 'a', status: 'warn', finding: 'thin', advice: 'Wait.' };
  expect(linesOf(finding)).toEqual(['warn  mesh          a: thin', `${' '.repeat(20)}-> Wait.`]);
  expect(linesOf({ check: 'node', ...ok('good') })).toEqual(['ok    node          good']);
  const counts = count([finding, { check: 'node', ...ok('good') }]);
  expect(counts).toEqual({ ok: 1, warn: 1, fail: 0, skip: 0 });
  expect(summaryOf(counts)).toMatch(/^Nothing has failed, but/);
  expect(summaryOf({ ...counts, fail: 1 })).toMatch(/^Something is wrong/);
  expect([spoken(80), spoken(1_500), spoken(45_000), spoken(600_000)]).toEqual([
    '80 ms',
    '1.5 s',
    '45 s',
    '10 min',
  ]);
});
