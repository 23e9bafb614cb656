import { describe, expect, it } from 'vitest';
import { believedHosts, mappingOf, type Observation } from './mapping.ts';

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

describe('the outside of a node', () => {
  const says = (from: string, seen: string) => ({ from, seen });

  it.each([
    { when: 'nobody says anything', voices: [], believed: [] },
    { when: 'one alone says it', voices: [says('10.1.0.1', '10.7.0.1')], believed: ['10.7.0.1'] },
    {
      when: 'one of two names somebody else',
      voices: [says('10.1.0.1', '10.7.0.1'), says('10.2.0.1', '192.0.2.1')],
      believed: [],
    },
    {
      when: 'one of three names somebody else',
      voices: [says('10.1.0.1', '10.7.0.1'), says('10.2.0.1', '192.0.2.1'), says('10.3.0.1', '10.7.0.1')],
      believed: ['10.7.0.1'],
    },
    {
      when: 'one network speaks with many voices',
      voices: [says('10.2.0.1', '192.0.2.1'), says('10.2.0.2', '192.0.2.1'), says('10.1.0.1', '10.7.0.1')],
      believed: [],
    },
    {
      when: 'each version of IP has one voice',
      voices: [says('10.1.0.1', '10.7.0.1'), says('2001:db8::1', '2001:db8:7::1')],
      believed: ['10.7.0.1', '2001:db8:7::1'],
    },
  ])('is what two networks agree on, or the only one told: $when', ({ voices, believed }) => {
    expect([...believedHosts(voices)]).toEqual(believed);
  });
});
