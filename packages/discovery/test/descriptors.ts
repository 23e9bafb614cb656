import type { ServiceDescriptor, ServiceType, SignedMessage } from '@lloom/codec';
import {
  zeroAddress,
  zeroDigest,
  type Clock,
  type GaugeSample,
  type Meter,
  type MeterLabels,
  type MetricFamily,
} from '@lloom/core';
import { addressOf, executor, FakeClock } from './fakes.ts';

/** What a test may want of a descriptor. */
export interface DescriptorConfig {
  readonly sequence?: number;
  readonly services?: readonly ServiceType[];
  readonly addresses?: readonly string[];
  /** When it was signed. @default when the fake clock begins */
  readonly timestampMs?: number;
  readonly ttlMs?: number;
  /** How long it is when it is encoded. */
  readonly sizeBytes?: number;
}

/** A descriptor that somebody has proven already: nothing in it is signed. */
export function provenOf(peerId: string, config: DescriptorConfig = {}): SignedMessage<ServiceDescriptor> {
  const { sequence = 1, services = [executor()], addresses = [], ttlMs = 90_000, sizeBytes = 100 } = config;
  const { timestampMs = new FakeClock().now() } = config;
  return {
    payloadType: 'ServiceDescriptor',
    payload: { peerId, sequence, services, addresses },
    payloadBytes: new Uint8Array(sizeBytes),
    signer: addressOf(peerId),
    to: zeroAddress,
    inReplyTo: zeroDigest,
    timestampMs,
    expiresMs: timestampMs + ttlMs,
    nonce: zeroDigest,
    signature: '0x',
  };
}

/** A clock that a test sets by hand; the wall goes with it. */
export class HandClock implements Clock {
  elapsedMs = 0;

  now(): number {
    return new FakeClock().now() + this.elapsedMs;
  }

  elapsed(): number {
    return this.elapsedMs;
  }

  setTimeout(): never {
    throw new Error('nothing waits here');
  }

  clearTimeout(): void {}
}

/** Counts what it is told, by name and labels. */
export class FakeMeter implements Meter {
  readonly counts = new Map<string, number>();
  readonly values = new Map<string, number[]>();
  readonly #gauges = new Map<string, () => number | readonly GaugeSample[]>();

  counter({ name }: MetricFamily, labels: MeterLabels = {}): (by?: number) => void {
    const key = [name, ...Object.values(labels)].join(' ');
    return (by = 1) => void this.counts.set(key, (this.counts.get(key) ?? 0) + by);
  }

  histogram({ name }: MetricFamily): (value: number) => void {
    return (value) => void this.values.set(name, [...(this.values.get(name) ?? []), value]);
  }

  gauge({ name }: MetricFamily, read: () => number | readonly GaugeSample[]): void {
    this.#gauges.set(name, read);
  }

  /** What a gauge shows now. */
  read(name: string): number | Record<string, number> | undefined {
    const shown = this.#gauges.get(name)?.();
    if (shown === undefined || typeof shown === 'number') return shown;
    return Object.fromEntries(shown.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
  }
}
