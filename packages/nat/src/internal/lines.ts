import type { EventSource } from '@lloom/core';
import type { NatEvents } from '../events.ts';

/** What a line of the log says beside its text. */
export type Fields = Readonly<Record<string, string | number | undefined>>;

/** Writes a line for each change of how this node, or a peer, is reached. */
export function writeLines(
  events: EventSource<NatEvents>,
  write: (text: string, fields: Fields) => void,
): void {
  events.addEventListener('nat:changed', ({ detail: { status, previous } }) => {
    const address = status.kind === 'public' ? { address: status.address } : {};
    write('others reach this node otherwise than before', {
      ...{ status: status.kind, previous: previous.kind },
      ...address,
    });
  });
  events.addEventListener('relay:reserved', ({ detail: { relay, expiresAt } }) =>
    write('a relay keeps a place for this node', { peerId: relay, expiresAt }),
  );
  events.addEventListener('relay:lost', ({ detail: { relay, reason } }) =>
    write('a place at a relay is gone', { peerId: relay, reason }),
  );
  events.addEventListener('connection:upgraded', ({ detail: { peerId, how, tookMs } }) =>
    write('connections to a peer do without a relay', { peerId, how, ms: tookMs }),
  );
  events.addEventListener('connection:stays-relayed', ({ detail: { peerId, reason } }) =>
    write('connections to a peer go on through a relay', { peerId, reason }),
  );
}
