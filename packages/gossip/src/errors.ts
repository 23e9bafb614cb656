import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** The data of each {@link GossipError} code. */
export interface GossipErrorData {
  /** The name cannot be a topic's. */
  INVALID_TOPIC: { readonly got: string; readonly wanted: string };
  /** A topic of that name was made with another codec or validator, or belongs to the network. */
  TOPIC_EXISTS: { readonly topic: string };
  /** Neighbours note no more topics of one node: messages on another one would not arrive. */
  TOO_MANY_TOPICS: { readonly topic: string; readonly limit: number };
  /** The topic must be subscribed first. */
  NOT_SUBSCRIBED: { readonly topic: string };
  /** The message does not belong on the topic, or cannot be encoded. Nothing was sent. */
  INVALID_MESSAGE: { readonly topic: string; readonly reason: string };
  /** The message is too large. Nothing was sent. */
  MESSAGE_TOO_LARGE: { readonly topic: string; readonly got: number; readonly limit: number };
  /** Nobody who is connected is subscribed to the topic. Nothing was sent. */
  NO_PEERS: { readonly topic: string; readonly waitedMs: number };
  /** Others would take what is published so fast for a flood. Nothing was sent. */
  RATE_LIMITED: { readonly topic: string; readonly limitPerSecond: number; readonly retryAfterMs: number };
  /** Too many messages wait for a peer. Nothing was sent. */
  BUSY: { readonly topic: string; readonly pending: number; readonly limit: number };
  /** The router could not send. Where it did not answer in time, as `reason` says, the message may have been sent. */
  PUBLISH_FAILED: { readonly topic: string; readonly reason: string };
  /** The caller's signal fired. Nothing was sent. */
  CANCELLED: { readonly act: string };
  /** The service is not started, or stopped meanwhile. */
  STOPPED: { readonly act: string };
}

/** Closed codes of {@link GossipError}. */
export type GossipErrorCode = keyof GossipErrorData;

const table: CodeTable<GossipErrorData> = {
  INVALID_TOPIC: {
    message: ({ got, wanted }) => `Cannot use topic ${got}: want ${wanted}`,
    retryable: false,
    hint: 'Choose a name such as "lloom/custom/1.0.0".',
  },
  TOPIC_EXISTS: {
    message: ({ topic }) => `Cannot create topic "${topic}": it exists, with another codec or validator`,
    retryable: false,
    hint: 'Keep the topic that createTopic() gave, or choose another name.',
  },
  TOO_MANY_TOPICS: {
    message: ({ topic, limit }) =>
      `Cannot subscribe to topic "${topic}": ${limit} are subscribed, and no more may be`,
    retryable: false,
    hint: 'Unsubscribe others first, or send several kinds of messages on one topic.',
  },
  NOT_SUBSCRIBED: {
    message: ({ topic }) => `Cannot read topic "${topic}": it is not subscribed`,
    retryable: false,
    hint: 'Call subscribeTopic() first.',
  },
  INVALID_MESSAGE: {
    message: ({ topic, reason }) => `Cannot publish on topic "${topic}": ${reason}`,
    retryable: false,
    hint: 'Correct the message.',
  },
  MESSAGE_TOO_LARGE: {
    message: ({ topic, got, limit }) =>
      `Cannot publish on topic "${topic}": ${got} bytes, want at most ${limit}`,
    retryable: false,
    hint: 'Split it, or publish a reference and serve the rest by a request.',
  },
  NO_PEERS: {
    message: ({ topic, waitedMs }) =>
      `Cannot publish on topic "${topic}": no connected peer is subscribed after ${waitedMs} ms`,
    retryable: true,
    hint: 'Join the network (bootstrap), and check that others subscribe to exactly this name.',
  },
  RATE_LIMITED: {
    message: ({ topic, limitPerSecond }) =>
      `Cannot publish on topic "${topic}": more than ${limitPerSecond} messages a second`,
    retryable: true,
    hint: 'Wait retryAfterMs, or say more in fewer messages: others drop what exceeds.',
  },
  BUSY: {
    message: ({ topic, pending, limit }) =>
      `Cannot publish on topic "${topic}": ${pending} messages wait for a peer, at most ${limit} may`,
    retryable: true,
    hint: 'Wait until the node has joined the network.',
  },
  PUBLISH_FAILED: {
    message: ({ topic, reason }) => `Cannot publish on topic "${topic}": ${reason}`,
    retryable: true,
    hint: 'Try again; if it goes on, look at the log of gossipsub.',
  },
  CANCELLED: {
    message: ({ act }) => `Cannot finish ${act}: the caller cancelled it`,
    retryable: true,
    hint: 'Call again without aborting the signal.',
  },
  STOPPED: {
    message: ({ act }) => `Cannot do ${act}: the gossip service is not started`,
    retryable: false,
    hint: 'Start the node before the call, and keep it running until the call ends.',
  },
};

/** A topic or message that cannot be used. Compare `code`, never the message. */
export class GossipError<C extends GossipErrorCode = GossipErrorCode> extends LloomError<
  C,
  GossipErrorData[C]
> {
  constructor(code: C, data: GossipErrorData[C], options: { cause?: unknown } = {}) {
    super('GossipError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `GossipError`, with that code when one is given. */
  static is<C extends GossipErrorCode>(error: unknown, code?: C): error is GossipError<C> {
    return isCodedError(error, 'GossipError', code);
  }
}
