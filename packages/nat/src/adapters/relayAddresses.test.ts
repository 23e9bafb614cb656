import { multiaddr } from '@multiformats/multiaddr';
import { peerIdFromString } from '@libp2p/peer-id';
import { describe, expect, it } from 'vitest';
import { addressesThrough } from './relayAddresses.ts';

const relay = '12D3KooWFoqA2CcaNsPHjK3tsAt9qrtXNB6CVtBRZLQJBNZgRUFe';
const other = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5';
const through = (base: string): string => `${base}/p2p/${relay}/p2p-circuit`;

interface Case {
  readonly reached?: string;
  readonly direction?: 'inbound' | 'outbound';
  readonly named?: readonly (string | Uint8Array)[];
  readonly known?: readonly string[];
}

const publicBase = '/ip4/45.0.0.1/tcp/4001';

const found = ({ reached = publicBase, direction = 'outbound', named = [], known = [] }: Case, most = 8) =>
  addressesThrough(
    {
      connection: { direction, remoteAddr: multiaddr(reached), remotePeer: peerIdFromString(relay) },
      named: named.map((one) => (typeof one === 'string' ? multiaddr(one).bytes : one)),
      known,
    },
    most,
  );

describe('addresses through a relay', () => {
  it('begin with the one by which the relay was reached', () => {
    const named = ['/ip4/45.0.0.2/tcp/1', `/dns4/relay.test/tcp/2/p2p/${relay}`, publicBase];
    expect(found({ named })).toEqual([
      through(publicBase),
      through('/ip4/45.0.0.2/tcp/1'),
      through('/dns4/relay.test/tcp/2'),
    ]);
    expect(found({ reached: `${publicBase}/p2p/${relay}` })).toEqual([through(publicBase)]);
  });

  it.each([
    ['is no multiaddr', new Uint8Array([255, 1, 2, 3])],
    ['is empty', new Uint8Array()],
    ['is of another peer', `/ip4/45.0.0.2/tcp/1/p2p/${other}`],
    ['is of the relay behind another peer', `/ip4/45.0.0.2/tcp/1/p2p/${other}/p2p/${relay}`],
    ['goes through a relay', `/ip4/45.0.0.2/tcp/1/p2p/${other}/p2p-circuit/p2p/${relay}`],
    ['names no place', `/p2p/${relay}`],
    ['is unspecified', '/ip4/0.0.0.0/tcp/1'],
    ['is unspecified in IPv6', '/ip6/::/tcp/1'],
    ['is of this machine', '/ip4/127.0.0.1/tcp/1'],
    ['is of a private network', '/ip4/192.168.1.1/tcp/1'],
  ])('hold none that %s', (...[, named]) => {
    expect(found({ named: [named] })).toEqual([through(publicBase)]);
  });

  it('hold private ones where the relay was reached by such a one', () => {
    const [reached, private_, local] = ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.2/tcp/1', '/ip4/127.0.0.1/tcp/1'];
    expect(found({ reached, named: [private_, local] })).toEqual([through(reached), through(private_)]);
    expect(found({ reached: local, named: [private_] })).toEqual([through(local), through(private_)]);
  });

  it('hold a relay that names itself twice once', () => {
    const named = [`/ip4/45.0.0.2/tcp/1/p2p/${relay}/p2p/${relay}`];
    expect(found({ named })).toEqual([through(publicBase), through('/ip4/45.0.0.2/tcp/1')]);
  });

  it('do not hold the port from which a relay has dialled, but where it was known to be', () => {
    const dialled = { direction: 'inbound', reached: '/ip4/45.0.0.1/tcp/50123' } as const;
    expect(found({ ...dialled, named: ['/ip4/45.0.0.2/tcp/1'] })).toEqual([through('/ip4/45.0.0.2/tcp/1')]);
    expect(found({ ...dialled, known: [publicBase] })).toEqual([through(publicBase)]);
    expect(found(dialled)).toEqual([]);
  });

  it('are of two hosts at most beside the one that was reached, whose own come first', () => {
    const strangers = Array.from({ length: 6 }, (_, n) => `/ip4/45.0.1.${n}/tcp/1`);
    const own = ['/ip4/45.0.0.1/tcp/443', '/ip4/45.0.0.1/udp/4001/quic-v1'];
    const wanted = [publicBase, ...own, strangers[0]!, strangers[1]!].map(through);
    expect(found({ named: [...strangers, ...own] })).toEqual(wanted);
    const dialled = { direction: 'inbound', reached: '/ip4/45.0.0.1/tcp/50123' } as const;
    expect(found({ ...dialled, named: [...strangers, ...own] })).toEqual(wanted.slice(1));
    expect(found({ ...dialled, known: strangers })).toEqual(wanted.slice(3));
    // A name, and the other family.
    const others = ['/dns4/relay.test/tcp/2', '/ip6/2a00::1/tcp/1', '/dns4/relay.test/tcp/3'];
    expect(found({ named: others })).toEqual([publicBase, ...others].map(through));
  });

  it('are as many as wanted at most', () => {
    const named = Array.from({ length: 20 }, (_, n) => `/ip4/45.0.0.2/tcp/${n + 1}`);
    expect(found({ named }, 3)).toHaveLength(3);
  });
});
