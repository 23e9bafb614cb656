import { describe, expect, it } from 'vitest';
import type { StoredValues } from '../ports.ts';
import { noStore, storedValueOf } from './peersStore.ts';

const ban = { since: 1, until: 2, by: 'user' };
const fact = { fact: 'SERVED', count: 1, points: 1, lastAt: 5 };

describe('storedValueOf()', () => {
  it.each<[keyof StoredValues, unknown]>([
    ['ban', ban],
    ['ban', { ...ban, reason: 'spam', by: 'reputation' }],
    ['addresses', ['/ip4/127.0.0.1/tcp/4001']],
    ['addresses', []],
    ['maintained', 1_700_000_000_000],
    ['reputation', { at: 5, facts: [fact, { ...fact, fact: 'FLOOD', points: -5 }] }],
  ])('takes a %s: %j', (kind, value) => {
    expect(storedValueOf(kind, value)).toEqual(value);
  });

  it.each<[keyof StoredValues, unknown]>([
    ['ban', undefined],
    ['ban', null],
    ['ban', 'forever'],
    ['ban', { ...ban, since: '1' }],
    ['ban', { ...ban, until: -1 }],
    ['ban', { ...ban, until: 8.64e15 + 1 }],
    ['ban', { ...ban, until: Number.NaN }],
    ['ban', { ...ban, by: 'somebody' }],
    ['ban', { ...ban, reason: 5 }],
    ['ban', { ...ban, reason: 'x'.repeat(257) }],
    ['addresses', '/ip4/127.0.0.1/tcp/4001'],
    ['addresses', [5]],
    ['addresses', ['example.org']],
    ['addresses', [`/${'x'.repeat(4_096)}`]],
    ['addresses', Array.from({ length: 1_025 }, () => '/ip4/127.0.0.1')],
    ['maintained', '5'],
    ['maintained', -5],
    ['reputation', 5],
    ['reputation', { at: 5 }],
    ['reputation', { at: -5, facts: [] }],
    ['reputation', { at: 5, facts: [5] }],
    ['reputation', { at: 5, facts: [fact, fact] }],
    ['reputation', { at: 5, facts: [{ ...fact, fact: 'toString' }] }],
    ['reputation', { at: 5, facts: [{ ...fact, points: 1e9 }] }],
    ['reputation', { at: 5, facts: [{ ...fact, count: -1 }] }],
    ['reputation', { at: 5, facts: [{ ...fact, lastAt: null }] }],
  ])('takes no %s from %j', (kind, value) => {
    expect(storedValueOf(kind, value)).toBeUndefined();
  });

  it('leaves fields out that nobody knows', () => {
    expect(storedValueOf('ban', { ...ban, more: 5 })).toEqual(ban);
  });
});

describe('without a datastore', () => {
  it('nothing is kept and nothing fails', async () => {
    await noStore.put('maintained', 'peer', 5);
    await noStore.delete('maintained', 'peer');
    await noStore.settled();
    expect((await noStore.load()).maintained.size).toBe(0);
  });
});
