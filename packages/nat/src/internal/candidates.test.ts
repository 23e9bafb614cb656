import { describe, expect, it } from 'vitest';
import { candidatesOf as candidates } from './candidates.ts';
import type { Endpoint, IpScope, ReachabilityView, Sighting } from './reachabilityNetwork.ts';

const scopeOf = (ip: string): IpScope => {
  if (ip.startsWith('127.') || ip === '::1') return 'loopback';
  return /^(?:10|192)\./.test(ip) || ip.startsWith('fd') ? 'private' : 'global';
};
const seen = (ip: string) => ({ ip, family: ip.includes(':') ? 6 : 4, scope: scopeOf(ip) }) as const;
const endpoint = (ip: string, port = 4_001): Endpoint => ({
  ...seen(ip),
  address: `/ip${seen(ip).family}/${ip}/tcp/${port}`,
});
const sighting = (by: string, ip: string): Sighting => ({ ...seen(ip), by });
const candidatesOf = (view: ReachabilityView, onlyGlobalIps: boolean): string[] =>
  candidates(view, onlyGlobalIps).map(({ address }) => address);
const viewOf = (view: Partial<ReachabilityView>): ReachabilityView => ({
  listening: [endpoint('127.0.0.1'), endpoint('10.0.0.7')],
  announced: [],
  sightings: [],
  servers: [],
  ...view,
});

describe('what may be the addresses of a node', () => {
  it('are what it announces, its ports where it is seen, and where it listens, beyond this machine', () => {
    const announced = [endpoint('9.9.9.9', 443)];
    const view = viewOf({ announced, sightings: [sighting('1.1.1.1', '5.5.5.5')] });
    expect(candidatesOf(view, false)).toEqual([
      '/ip4/9.9.9.9/tcp/443',
      '/ip4/5.5.5.5/tcp/4001',
      '/ip4/10.0.0.7/tcp/4001',
    ]);
    expect(candidatesOf(view, true)).toEqual(['/ip4/9.9.9.9/tcp/443', '/ip4/5.5.5.5/tcp/4001']);
  });

  it('are where two peers of different IP addresses see it, once there are two', () => {
    const one = sighting('1.1.1.1', '5.5.5.5');
    const again = sighting('1.1.1.1', '6.6.6.6');
    const other = sighting('2.2.2.2', '5.5.5.5');
    const third = sighting('3.3.3.3', '6.6.6.6');
    const at = (...sightings: Sighting[]) => candidatesOf(viewOf({ sightings }), true);
    expect(at(one)).toEqual(['/ip4/5.5.5.5/tcp/4001']);
    // One host has one voice, with however many keys.
    expect(at(one, again)).toEqual(['/ip4/6.6.6.6/tcp/4001']);
    expect(at(one, third)).toEqual([]);
    expect(at(one, other, third)).toEqual(['/ip4/5.5.5.5/tcp/4001']);
  });

  it('are on this machine alone where there are no others', () => {
    const loopback = [endpoint('127.0.0.1'), endpoint('::1')];
    const view = viewOf({ listening: loopback, sightings: [sighting('127.0.0.1', '127.0.0.1')] });
    expect(candidatesOf(view, false)).toEqual(['/ip4/127.0.0.1/tcp/4001', '/ip6/::1/tcp/4001']);
    expect(candidatesOf(view, true)).toEqual([]);
  });

  it('are not what peers on the same machine see, once somebody else has said it', () => {
    const sightings = [sighting('127.0.0.1', '127.0.0.1'), sighting('1.1.1.1', '5.5.5.5')];
    expect(candidatesOf(viewOf({ sightings }), true)).toEqual(['/ip4/5.5.5.5/tcp/4001']);
  });

  it('are not where two of many see it, and are where half as many do as elsewhere', () => {
    const at = (...ips: string[]) =>
      candidatesOf(viewOf({ sightings: ips.map((ip, by) => sighting(`1.1.1.${by}`, ip)) }), true);
    const [one, other] = ['5.5.5.5', '6.6.6.6'] as const;
    expect(at(one, one, one, one, one, other, other)).toEqual([`/ip4/${one}/tcp/4001`]);
    expect(at(one, one, one, one, other, other)).toEqual([`/ip4/${one}/tcp/4001`, `/ip4/${other}/tcp/4001`]);
  });

  it("are its own where it listens or announces, and others' word elsewhere", () => {
    const announced = [endpoint('9.9.9.9', 443)];
    const view = viewOf({ announced, sightings: [sighting('1.1.1.1', '5.5.5.5')] });
    expect(candidates(view, false).map(({ isOwn }) => isOwn)).toEqual([true, false, true]);
  });

  it('are of the family in which it is seen', () => {
    const listening = [endpoint('10.0.0.7'), endpoint('fd00::1', 4_002)];
    const sightings = [sighting('1.1.1.1', '5.5.5.5'), sighting('2600::2', '2600::1')];
    expect(candidatesOf(viewOf({ listening, sightings }), true)).toEqual([
      '/ip4/5.5.5.5/tcp/4001',
      '/ip6/2600::1/tcp/4002',
    ]);
  });

  it('are eight at most', () => {
    const listening = Array.from({ length: 20 }, (_, at) => endpoint('8.8.8.8', 4_000 + at));
    expect(candidatesOf(viewOf({ listening }), true)).toHaveLength(8);
  });
});
