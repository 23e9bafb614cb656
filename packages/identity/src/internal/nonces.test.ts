import { describe, expect, test } from 'vitest';

import { NonceTable } from './nonces.ts';

const entry = (signer: string, nonce: string, expiresMs = 5_000) => ({ signer, nonce, expiresMs });

describe('a table of nonces', () => {
  test('knows a nonce by its signer', () => {
    const table = new NonceTable();
    table.add(entry('a', '1'), 1_000);
    expect([table.has({ signer: 'a', nonce: '1' }), table.has({ signer: 'b', nonce: '1' })]).toEqual([
      true,
      false,
    ]);
    expect([table.size, table.sizeOf('a'), table.sizeOf('b')]).toEqual([1, 1, 0]);
  });

  test('lets go of a nonce within a second after its time, never before', () => {
    const table = new NonceTable();
    table.add(entry('a', '1', 77), 1_500);
    expect(table.sweep(1_999).gone).toEqual([]);
    expect(table.sweep(2_000)).toEqual({ gone: [{ signer: 'a', nonce: '1' }], latestExpiryMs: 77 });
    expect([table.size, table.sizeOf('a')]).toEqual([0, 0]);
  });

  test('looks once in each second only', () => {
    const table = new NonceTable();
    table.sweep(5_000);
    table.add(entry('a', '1'), 100);
    expect(table.sweep(5_999).gone).toEqual([]);
    expect(table.sweep(6_000).gone).toHaveLength(1);
  });

  test('keeps a nonce that was taken back and added again for as long as its later entry says', () => {
    const table = new NonceTable();
    table.add(entry('a', '1'), 1_000);
    table.add(entry('a', '2'), 9_000);
    table.remove({ signer: 'a', nonce: '1' });
    expect(table.size).toBe(1);
    table.add(entry('a', '1'), 9_000);
    expect(table.sweep(2_000).gone).toEqual([]);
    expect(table.has({ signer: 'a', nonce: '1' })).toBe(true);
    expect(table.sweep(9_000).gone).toHaveLength(2);
  });

  test('counts a nonce once, and forgets one that it does not have', () => {
    const table = new NonceTable();
    table.add(entry('a', '1'), 1_000);
    table.add(entry('a', '1'), 1_000);
    table.remove({ signer: 'a', nonce: '2' });
    table.remove({ signer: 'b', nonce: '1' });
    expect(table.size).toBe(1);
  });
});
