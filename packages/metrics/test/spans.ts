import type { Span } from '@lloom/core';

/** Of whoever has caused a span, as W3C Trace Context writes it. */
export const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
export const spanId = '00f067aa0ba902b7';
export const parent = `00-${traceId}-${spanId}-01`;

/** The span of something that is followed. */
export const started = (span: Span | undefined): Span => {
  if (span === undefined) throw new Error('it is not followed');
  return span;
};
