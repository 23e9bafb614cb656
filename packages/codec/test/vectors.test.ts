import { describe, expect, test } from 'vitest';

import { errorOf } from './support/errors.ts';
import { formatOf, formats, kinds } from './support/formats.ts';
import { bytesOf, golden, hexOf, regressions } from './support/vectors.ts';

describe('the bytes of the examples are final', () => {
  test.for(golden)('$message: $title', ({ message, hex, value }) => {
    const { encode, decode } = formatOf(message);
    expect(hexOf(encode(value))).toBe(hex);
    expect(decode(bytesOf(hex))).toEqual(value);
  });

  test('every message type has one', () => {
    expect(new Set(golden.map(({ message }) => message))).toEqual(new Set(Object.keys(formats)));
  });

  test('every kind has one', () => {
    const kindOf = (value: unknown): unknown => (value as { type?: unknown } | undefined)?.type;
    const inExamples = new Set(golden.map(({ value }) => kindOf(value)));
    const gossip = kinds.map(({ title }) => /^GossipMessage (?<type>.+)/.exec(title)?.groups?.['type']);
    for (const type of [...gossip, 'chunk', 'end', 'error']) expect(inExamples).toContain(type);
  });
});

describe('what was read wrongly once, or easily is', () => {
  const accepted = regressions.filter(({ error }) => error === undefined);
  const refused = regressions.filter(({ error }) => error !== undefined);

  test.for(accepted)('$message takes $title', ({ message, hex, value }) => {
    const { encode, decode } = formatOf(message);
    const decoded = decode(bytesOf(hex));
    expect(decoded).toEqual(value);
    // What was received can be sent on.
    expect(decode(encode(decoded))).toEqual(value);
  });

  test.for(refused)('$message refuses $title', ({ message, hex, error }) => {
    expect(errorOf(() => formatOf(message).decode(bytesOf(hex)))).toMatchObject(error as object);
  });
});
