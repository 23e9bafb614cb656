import type { ServiceType } from '@lloom/codec';
import { describe, expect, it } from 'vitest';
import { executor, validator } from '../../test/fakes.ts';
import type { ServiceQuery } from '../types.ts';
import { checkService, findOffer, keyOf, keysOf } from './services.ts';

describe('keys', () => {
  it.each<[ServiceQuery, string]>([
    [{ kind: 'executor' }, 'lloom/executor'],
    [{ kind: 'executor', model: 'llama-2-13b' }, 'lloom/model/llama-2-13b'],
    [{ kind: 'validator' }, 'lloom/validator'],
  ])('of a query', (query, key) => {
    expect(keyOf(query)).toBe(key);
  });

  it('of an offer: the role and each model once, and the part of each to which the peer belongs', () => {
    expect(keysOf(executor(['a', 'b', 'a']), 'peer')).toEqual([
      'lloom/executor',
      'lloom/model/a',
      'lloom/model/b',
      'lloom/shard/9/executor',
      'lloom/shard/9/model/a',
      'lloom/shard/9/model/b',
    ]);
    expect(keysOf(validator, 'peer')).toEqual(['lloom/validator', 'lloom/shard/9/validator']);
  });
});

describe('findOffer', () => {
  const descriptor = {
    peerId: 'p',
    sequence: 1,
    addresses: [],
    services: [validator, executor(['a']), executor(['b'])],
  };

  it.each<[ServiceQuery, ServiceType | undefined]>([
    [{ kind: 'executor' }, executor(['a'])],
    [{ kind: 'executor', model: 'b' }, executor(['b'])],
    [{ kind: 'executor', model: 'c' }, undefined],
    [{ kind: 'validator' }, validator],
  ])('gives what was asked for', (query, offer) => {
    expect(findOffer(descriptor, query)).toEqual(offer);
  });
});

describe('checkService', () => {
  it('copies what it accepts', () => {
    const models = ['a'];
    const offer = checkService(executor(models), []);
    models.push('b');
    expect(offer).toEqual(executor(['a']));
  });

  it('counts the other offers of the node', () => {
    const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`.padEnd(200));
    expect(checkService(validator, [executor(names(200))])).toEqual(validator);
    expect(() => checkService(executor(names(100)), [executor(names(200))])).toThrow(
      'at most 49152 bytes in all',
    );
  });
});
