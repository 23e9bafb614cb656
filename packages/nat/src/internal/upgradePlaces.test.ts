import { describe, expect, it } from 'vitest';
import { UpgradePlaces } from './upgradePlaces.ts';

describe('places of those that leave a relay', () => {
  it('are taken by peers that ask beside those that this node begins with', () => {
    const places = new UpgradePlaces();
    for (let peer = 0; places.canLead; peer++) places.lead(`peer-${peer}`);
    expect(places.canFollow('peer-20', 'relay-1')).toBe(true);
    places.follow('peer-0', 'relay-1');
    expect(places.canLead).toBe(true);
    places.lead('peer-0');
    expect([places.leave('peer-0'), places.leave('peer-0'), places.has('peer-0')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('are eight for those that ask through one relay, sixteen in all', () => {
    const places = new UpgradePlaces();
    const relays = ['relay-1', 'relay-2', 'relay-3'].flatMap((relay) =>
      Array.from({ length: 10 }, () => relay),
    );
    const taken = relays.filter((relay, peer) => {
      const canFollow = places.canFollow(`peer-${peer}`, relay);
      if (canFollow) places.follow(`peer-${peer}`, relay);
      return canFollow;
    });
    expect(taken).toEqual([
      ...Array.from({ length: 8 }, () => 'relay-1'),
      ...Array.from({ length: 8 }, () => 'relay-2'),
    ]);
    expect([places.canFollow('peer-0', 'relay-1'), places.canFollow('peer-9', 'relay-1')]).toEqual([
      true,
      false,
    ]);
  });
});
