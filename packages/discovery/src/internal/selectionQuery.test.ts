import { describe, expect, test } from 'vitest';
import { DiscoveryError } from '../errors.ts';
import type { SelectionQuery } from '../types.ts';
import { checkSelection } from './selectionQuery.ts';

const model = 'demo-small';
const bob = '12D3KooWDimFt5AwAPTSFDiUFcKtN9Ucee9KsXgYVE9EG5fccpXa';

const check = (query: unknown) => checkSelection(query as SelectionQuery);

function problemOf(query: unknown): unknown {
  try {
    check(query);
  } catch (error) {
    if (DiscoveryError.is(error, 'INVALID_QUERY')) return error.data;
    throw error;
  }
  return 'nothing is wrong';
}

describe('a query for one executor', () => {
  test('needs a model, and nothing else', () => {
    const { query, ranking } = check({ model });
    expect(query).toEqual({ model });
    expect(ranking).toEqual({
      models: new Set([model]),
      exclude: new Set(),
      weights: { price: 1 / 3, latency: 1 / 3, throughput: 1 / 3 },
    });
  });

  test('takes one bound for both prices, or one for each', () => {
    expect(check({ model, maxPrice: '5' }).ranking.maxPrice).toEqual({
      inboundPrice: '5',
      outboundPrice: '5',
    });
    const maxPrice = { inboundPrice: '1', outboundPrice: '9'.repeat(78) };
    expect(check({ model, maxPrice }).ranking.maxPrice).toEqual(maxPrice);
  });

  test('lets one figure decide alone, and leaves equals to the others', () => {
    const { weights, tieWeights } = check({ model, prefer: 'latency' }).ranking;
    expect(weights).toEqual({ price: 0, latency: 1, throughput: 0 });
    expect(tieWeights).toEqual({ price: 1, latency: 1, throughput: 1 });
  });

  test('takes weights by their ratios', () => {
    const { weights, tieWeights } = check({ model, prefer: { price: 30, throughput: 10 } }).ranking;
    expect(weights).toEqual({ price: 0.75, latency: 0, throughput: 0.25 });
    expect(tieWeights).toBeUndefined();
    expect(check({ model, prefer: { price: 1, latency: undefined } }).ranking.weights.price).toBe(1);
  });

  test('knows a peer by any form of its id', () => {
    const cid = 'bafzaajaiaejcaoixndtprxtwcolsd7umtgqtahwyo3rmfz6x4kpo4szi7lvh7z3x';
    const { exclude } = check({ model, exclude: [bob, cid] }).ranking;
    expect([...exclude!]).toEqual([bob, expect.stringMatching(/^12D3KooW/)]);
  });

  test('is a copy that nobody changes', () => {
    const given = { model, features: ['tools'] };
    const { query } = check(given);
    given.features.push('vision');
    expect(query.features).toEqual(['tools']);
    expect([query, query.features].every(Object.isFrozen)).toBe(true);
  });

  test.for<[path: string, got: string, query: unknown]>([
    ['query', 'null', null],
    ['query', '"demo-small"', model],
    ['model', 'undefined', undefined],
    ['model', 'undefined', {}],
    ['model', '""', { model: '' }],
    ['model', '5', { model: 5 }],
    ['maxPrice', '5', { model, maxPrice: 5 }],
    ['maxPrice', '"-1"', { model, maxPrice: '-1' }],
    ['maxPrice', '"1.5"', { model, maxPrice: '1.5' }],
    ['maxPrice', '"01"', { model, maxPrice: '01' }],
    ['maxPrice', '{"inboundPrice":"1"}', { model, maxPrice: { inboundPrice: '1' } }],
    [
      'maxPrice',
      '{"inboundPrice":"1","outboundPrice":"1","more":1}',
      { model, maxPrice: { inboundPrice: '1', outboundPrice: '1', more: 1 } },
    ],
    ['minContext', '0', { model, minContext: 0 }],
    ['minContext', '"1"', { model, minContext: '1' }],
    ['features', '"tools"', { model, features: 'tools' }],
    ['features', '[""]', { model, features: [''] }],
    ['prefer', '"speed"', { model, prefer: 'speed' }],
    ['prefer', '{}', { model, prefer: {} }],
    ['prefer', '{"price":0}', { model, prefer: { price: 0 } }],
    ['prefer', '{"price":-1,"latency":1}', { model, prefer: { price: -1, latency: 1 } }],
    ['prefer', '{"price":null}', { model, prefer: { price: Number.NaN } }],
    ['prefer', '{"speed":1}', { model, prefer: { speed: 1 } }],
    ['prefer', '["price"]', { model, prefer: ['price'] }],
    ['exclude', '["bob"]', { model, exclude: ['bob'] }],
    ['exclude', '[5]', { model, exclude: [5] }],
    ['region', 'an unknown field', { model, region: 'eu' }],
  ])('is refused for its %s: %s', ([path, got, query]) => {
    expect(problemOf(query)).toEqual({ path, got, wanted: expect.stringMatching(/./) });
  });

  test('is refused when it has too much of anything', () => {
    expect(problemOf({ model: 'x'.repeat(257) })).toMatchObject({ path: 'model' });
    expect(problemOf({ model, features: Array(65).fill('tools') })).toMatchObject({ path: 'features' });
    expect(problemOf({ model, exclude: Array(1_025).fill(bob) })).toMatchObject({ path: 'exclude' });
    expect(problemOf({ model, maxPrice: '9'.repeat(79) })).toMatchObject({ path: 'maxPrice' });
    expect(problemOf({ model, prefer: { price: 1_000_001 } })).toMatchObject({ path: 'prefer' });
  });
});
