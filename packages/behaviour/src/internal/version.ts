/** The version of this package, as peers see it. */
export const version = '0.1.0';

/** What peers are told that this node is. */
export const agentVersion = `lloom/${version}`;
