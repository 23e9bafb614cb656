/** What a W3C `traceparent` says. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

/** Later versions may say more behind a dash; `ff` and zeros are forbidden. */
const pattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-[^\n]*$)/;
/** More than any version needs. */
const maxLength = 256;

/** Reads a `traceparent` that somebody sent; `undefined` when it is none. */
export function parseTraceparent(text: string): TraceParent | undefined {
  if (text.length > maxLength) return undefined;
  const [whole, version, traceId, spanId, flags] = pattern.exec(text) ?? [];
  if (whole === undefined || traceId === undefined || spanId === undefined) return undefined;
  if (version === '00' && text.length !== 55) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16) };
}

/** Writes it, in the version that everybody reads. */
export const traceparentOf = ({ traceId, spanId, traceFlags }: TraceParent): string =>
  `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`.toLowerCase();
