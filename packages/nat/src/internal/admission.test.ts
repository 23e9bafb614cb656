import { describe, expect, it } from 'vitest';
import { Admission, networkOfIp } from './admission.ts';

const throttleMs = 10_000;
const visitor = (number: number, network?: string) => ({ peerId: `peer-${number}`, network });

describe('who is dialled for', () => {
  it('is a peer once in its interval, a little early too', () => {
    const admission = new Admission();
    admission.enter(visitor(1), 0, throttleMs)?.();
    expect(admission.enter(visitor(1), 8_999, throttleMs)).toBeUndefined();
    expect(admission.enter(visitor(1), 9_000, throttleMs)).toBeDefined();
  });

  it('is one at a time of a peer and of a network', () => {
    const admission = new Admission();
    const leave = admission.enter(visitor(1, 'n'), 0, throttleMs);
    expect(admission.enter(visitor(1, 'other'), 20_000, throttleMs)).toBeUndefined();
    expect(admission.enter(visitor(2, 'n'), 20_000, throttleMs)).toBeUndefined();
    leave?.();
    expect(admission.enter(visitor(2, 'n'), 20_000, throttleMs)).toBeDefined();
    // Whose place it is now.
    leave?.();
    expect(admission.enter(visitor(3, 'n'), 20_000, throttleMs)).toBeUndefined();
  });

  it('is eight at once, and who was not let in may come again', () => {
    const admission = new Admission();
    const leaves = Array.from({ length: 8 }, (_, at) => admission.enter(visitor(at), 0, throttleMs));
    expect(leaves).not.toContain(undefined);
    expect(admission.enter(visitor(8), 0, throttleMs)).toBeUndefined();
    leaves[0]?.();
    expect(admission.enter(visitor(8), 0, throttleMs)).toBeDefined();
  });

  it('stays a bounded number in memory, of ten thousand who ask', () => {
    const admission = new Admission();
    for (let number = 0; number < 10_000; number++) admission.enter(visitor(number), 0, throttleMs)?.();
    expect(admission.size).toBe(4_096);
    expect(admission.enter(visitor(9_999), 0, throttleMs)).toBeUndefined();
  });
});

describe('the network of an IP address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.0/24'],
    ['::ffff:192.0.2.1', '192.0.2.0/24'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0:0:1::', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('of %s is %s', (ip, network) => {
    expect(networkOfIp(ip)).toBe(network);
  });
});
