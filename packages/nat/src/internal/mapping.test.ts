import { describe, expect, it } from 'vitest';
import { mappingOf, type Observation } from './mapping.ts';

const sees = (observer: string, port: number, isOwn = false): Observation => ({
  ...{ observer, isOwn, localPort: 5_000 },
  seen: { host: isOwn ? '192.168.1.2' : '10.7.0.10', port },
});

describe('what a NAT does with a port', () => {
  it.each([
    { mapping: 'unknown', seen: [], when: 'nobody has looked' },
    { mapping: 'unknown', seen: [sees('r1', 5_000)], when: 'one observer has looked' },
    { mapping: 'unknown', seen: [sees('r1', 5_000), sees('r1', 5_000)], when: 'one has looked twice' },
    {
      mapping: 'unknown',
      seen: [sees('r1', 6_000), sees('r2', 5_000, true)],
      when: 'one of two stands inside',
    },
    { mapping: 'none', seen: [sees('r1', 5_000, true)], when: 'the machine has what is seen' },
    {
      mapping: 'endpoint-independent',
      seen: [sees('r1', 6_000), sees('r2', 6_000)],
      when: 'two see the same port',
    },
    {
      mapping: 'endpoint-dependent',
      seen: [sees('r1', 6_000), sees('r2', 6_001)],
      when: 'two see different ports',
    },
  ] as const)('is $mapping when $when', ({ mapping, seen }) => {
    expect(mappingOf(seen)).toBe(mapping);
  });
});
