/** Many requests over one stream. */
export const sessionProtocol = '/lloom/rpc/1.0.0';
/** One request a stream. */
export const reqRespProtocol = '/lloom/req-resp/1.0.0';
/** Tells a relay of a trace: it is part of one, and is not traced itself. */
export const relayTraceProtocol = '/lloom/relay-trace/1.0.0';
