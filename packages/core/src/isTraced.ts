/** What of a libp2p logger tells whether somebody hears it. */
interface Asked {
  readonly enabled: boolean;
  readonly trace: { readonly enabled?: boolean };
}

/**
 * Whether what a logger's `trace` is given is heard: asked before a line is made for each request or message. Loggers that have
 * a level for it say so there; others are on or off as a whole.
 *
 * @param log a logger of libp2p's `forComponent`
 */
export const isTraced = (log: { readonly enabled: boolean; readonly trace: object }): boolean =>
  (log as Asked).trace.enabled ?? log.enabled;
