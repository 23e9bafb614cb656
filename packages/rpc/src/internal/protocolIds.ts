/** Many requests over one stream. */
export const sessionProtocol = '/lloom/rpc/1.0.0';
/** One request a stream. */
export const reqRespProtocol = '/lloom/req-resp/1.0.0';
/** Tells a relay of a trace. */
export const relayTraceProtocol = '/lloom/relay-trace/1.0.0';

/** The method of what was not read, or of what is not served here: strangers write what they like. */
export const unknownMethod = 'unknown';

/** Whether requests of that method tell of other requests: nobody has made them, and they are not followed, counted or told of. */
export function isOfTraces(method: string | undefined): boolean {
  return method === relayTraceProtocol;
}
