import type { GaugeSample } from '@lloom/core';
import type { ProtocolMetrics } from '../types.ts';
import * as families from './families.ts';
import { other } from './labelSets.ts';
import type { Store } from './store.ts';

/** What went over something, in bytes. */
export interface Flow {
  bytesIn: number;
  bytesOut: number;
}

/** What one protocol costs. */
export interface ProtocolFlow extends Flow {
  inbound: number;
  outbound: number;
  open: number;
}

/** What goes over connections and streams. */
export class Traffic {
  readonly network: Flow = { bytesIn: 0, bytesOut: 0 };
  readonly #maxProtocols: number;
  readonly #onDropped: () => void;
  readonly #protocols = new Map<string, ProtocolFlow>();

  /** @param store shows it all; each protocol takes two of a family's label sets */
  constructor(store: Store) {
    const { maxLabelSets, onDropped } = store.limit;
    this.#maxProtocols = Math.floor(maxLabelSets / 2) - 1;
    this.#onDropped = onDropped;
    store.readCounter(families.networkBytes, () => bytesOf(this.network));
    store.readCounter(families.protocolBytes, () => this.#samples(bytesOf));
    store.readCounter(families.protocolStreams, () => this.#samples(streamsOf));
    store.gauge(families.openStreams, () => this.#samples(({ open }) => [{ labels: {}, value: open }]));
  }

  /** Where a stream of that protocol is counted. */
  protocol(name: string): ProtocolFlow {
    const known = this.#protocols.get(name);
    if (known !== undefined) return known;
    if (this.#protocols.size < this.#maxProtocols) return this.#add(name);
    this.#onDropped();
    return this.#protocols.get(other) ?? this.#add(other);
  }

  /** The dearest first. */
  protocols(): ProtocolMetrics[] {
    return [...this.#protocols]
      .map(([protocol, { bytesIn, bytesOut, inbound, outbound, open }]) => ({
        protocol,
        bytesIn,
        bytesOut,
        streams: inbound + outbound,
        openStreams: open,
      }))
      .toSorted((one, next) => next.bytesIn + next.bytesOut - one.bytesIn - one.bytesOut);
  }

  #add(name: string): ProtocolFlow {
    const flow = { bytesIn: 0, bytesOut: 0, inbound: 0, outbound: 0, open: 0 };
    this.#protocols.set(name, flow);
    return flow;
  }

  #samples(read: (flow: ProtocolFlow) => readonly GaugeSample[]): GaugeSample[] {
    return [...this.#protocols].flatMap(([protocol, flow]) =>
      read(flow).map(({ labels, value }) => ({ labels: { protocol, ...labels }, value })),
    );
  }
}

const bytesOf = ({ bytesIn, bytesOut }: Flow): GaugeSample[] => [
  { labels: { direction: 'in' }, value: bytesIn },
  { labels: { direction: 'out' }, value: bytesOut },
];

const streamsOf = ({ inbound, outbound }: ProtocolFlow): GaugeSample[] => [
  { labels: { direction: 'inbound' }, value: inbound },
  { labels: { direction: 'outbound' }, value: outbound },
];
