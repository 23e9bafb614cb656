import type { Hex, SignedEnvelope } from '@lloom/core';

/** A value that JSON can carry. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue };

/** Who speaks in a chat. Other roles than the usual three pass through. */
export type ChatRole = 'system' | 'user' | 'assistant' | (string & {});

/** One message of a chat. */
export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
  /**
   * Fields of the message that Lloom does not know, such as `tool_calls`, `tool_call_id` or `content` in parts; at most
   * 64 KiB as JSON, and 65,536 values in all messages of a request.
   */
  readonly extra?: JsonObject;
}

/** What a client asks of a model. */
export interface LlmRequest {
  /** Name of the model, as providers advertise it. At most 256 bytes. */
  readonly model: string;
  /** The chat so far, oldest first; 1 to 10,000 messages. */
  readonly messages: readonly ChatMessage[];
  /** Sampling temperature. @default chosen by the executor */
  readonly temperature?: number;
  /** The most tokens to produce. @default chosen by the executor */
  readonly maxTokens?: number;
  /** Nucleus sampling, above 0 up to 1. @default chosen by the executor */
  readonly topP?: number;
  /** Texts that end the answer where they appear. */
  readonly stop?: readonly string[];
  /** Asks for repeatable sampling. */
  readonly seed?: number;
  /** Fields for the backend that Lloom does not know; at most 64 KiB as JSON. */
  readonly extra?: JsonObject;
  /** The most that the whole answer may cost, in wei, as a decimal text. @default no cap */
  readonly maxPrice?: string;
  /** Names this request for good: an executor that sees it again does not work twice. At most 256 bytes. */
  readonly idempotencyKey: string;
}

/** An {@link LlmRequest} as one writes it: `prompt` and `systemPrompt` instead of `messages`, key filled in later. */
export type LlmRequestInput = Omit<LlmRequest, 'messages' | 'idempotencyKey'> & {
  readonly messages?: readonly ChatMessage[];
  /** The user's words: shorthand for one message, after `messages`. */
  readonly prompt?: string;
  /** Shorthand for a first message of role `system`. */
  readonly systemPrompt?: string;
  /** @default a random UUID */
  readonly idempotencyKey?: string;
};

/** Why an answer ended. Others than these pass through. */
export type FinishReason = 'stop' | 'length' | 'price' | 'contentFilter' | 'tool_calls' | (string & {});

/** A complete answer of a model. */
export interface LlmResponse {
  readonly content: string;
  readonly finishReason: FinishReason;
  /** Tokens of the question, as the executor counts them. */
  readonly inboundTokens: number;
  /** Tokens of the answer, as the executor counts them. */
  readonly outboundTokens: number;
  /** What the executor asks for, in wei, as a decimal text. */
  readonly totalCost: string;
  /** The model that answered. */
  readonly modelUsed: string;
  /** keccak-256 of the request's payload bytes. */
  readonly requestDigest: Hex;
  /** What the answer has beyond its text, such as `tool_calls`; at most 64 KiB as JSON. @default nothing */
  readonly extra?: JsonObject;
}

/** What an executor signs of one part of a streamed answer. Digests are keccak-256 over UTF-8. */
export interface AnswerSegment {
  /** keccak-256 of the request's payload bytes. */
  readonly requestDigest: Hex;
  /** Counts the segments of one executor from 0. */
  readonly index: number;
  /** Digest of all text that other executors had produced before this executor's first token. */
  readonly prefixDigest: Hex;
  /** Digest of all text up to the end of this segment. */
  readonly runningDigest: Hex;
  /** Tokens that this segment adds. */
  readonly tokens: number;
  /** Tokens of the question. */
  readonly inboundTokens: number;
  /** Tokens of this executor so far. */
  readonly outboundTokens: number;
  /** What this executor asks for its part so far, in wei, as a decimal text. */
  readonly totalCost: string;
  readonly modelUsed: string;
  /** Why the answer ended; absent when more follows. */
  readonly finishReason?: FinishReason;
  /** What the answer has beyond its text, as in {@link LlmResponse}; only beside a `finishReason`. @default nothing */
  readonly extra?: JsonObject;
}

/** Wei per token, as decimal texts. */
export interface PricingInfo {
  /** For a token of the question. */
  readonly inboundPrice: string;
  /** For a token of the answer. */
  readonly outboundPrice: string;
}

/** An executor's offer. */
export interface ExecutorService {
  readonly kind: 'executor';
  /** Models it serves, by name; at most 1,024. */
  readonly models: readonly string[];
  /** How many requests it works on at the same time. */
  readonly capacity: number;
  /** Price of every model without one of its own. @default the executor does not say */
  readonly pricing?: PricingInfo;
  /** Price of single models. */
  readonly modelPricing?: { readonly [model: string]: PricingInfo };
  /** How many more requests it would start at once. */
  readonly freeSlots?: number;
  /** How many requests wait for a slot. */
  readonly queueDepth?: number;
  /** Tokens of question and answer together. */
  readonly contextLength?: number;
  /** What it can beyond chat, such as `tools`. */
  readonly features?: readonly string[];
  /** Where it stands, as it says itself. */
  readonly region?: string;
}

/** A validator's offer. */
export interface ValidatorService {
  readonly kind: 'validator';
  /** What it staked, in wei, as a decimal text. */
  readonly stake: string;
}

/** What a peer does for others. */
export type ServiceType = ExecutorService | ValidatorService;

/** What a peer offers, in its own words; signed by it, and valid as long as its envelope. */
export interface ServiceDescriptor {
  readonly peerId: string;
  /** Grows with each change; the highest one counts. */
  readonly sequence: number;
  /** Empty when the peer offers nothing any more. */
  readonly services: readonly ServiceType[];
  readonly agentVersion?: string;
  /** Where it can be reached. */
  readonly addresses: readonly string[];
}

/** Which executors a registry is asked for. What is absent admits any. */
export interface RegistryFilters {
  /** Tokens of question and answer together, at least. */
  readonly minContextLength?: number;
  /** What they must be able to do beyond chat; at most 64. */
  readonly requiredFeatures?: readonly string[];
  /** The most that a token of either kind may cost, in wei, as a decimal text. */
  readonly maxPrice?: string;
  /** Only those that have a free slot, or do not say. @default false */
  readonly onlyAvailable?: boolean;
  /** In how many of the registry's sweeps they were heard, at least: a share from 0 to 1. */
  readonly minSuccessRate?: number;
}

/** Which part of a list. */
interface RegistryPage {
  readonly filters?: RegistryFilters;
  /** At most so many, 1 to 100. @default 50 */
  readonly limit?: number;
  /** After so many. @default 0 */
  readonly offset?: number;
}

/** A question to the registry of a validator. */
export type RegistryQuery =
  | ({ readonly type: 'listAllModels' } & RegistryPage)
  | ({ readonly type: 'findModel'; readonly model: string } & RegistryPage)
  | { readonly type: 'executorInfo'; readonly peerId: string }
  | ({ readonly type: 'searchByCapabilities' } & RegistryPage)
  | { readonly type: 'getStatistics' };

/** A model of the network, by the word of a registry. */
export interface RegistryModel {
  readonly model: string;
  /** How many executors serve it. */
  readonly executorCount: number;
  /** Some of them, at most 16. */
  readonly executors: readonly string[];
  /** The longest context that one of them offers. */
  readonly contextLength?: number;
  /** What at least one of its first 32 executors can do beyond chat; at most 64. */
  readonly features: readonly string[];
  /** The mean over those of its first 32 executors that name a price, rounded down. */
  readonly averagePricing?: PricingInfo;
}

/** An executor in a registry. */
export interface RegistryExecutor {
  /** What the executor signed. Says nothing until it is verified. */
  readonly descriptor: SignedMessage<ServiceDescriptor>;
  readonly isConnected: boolean;
  /** When the registry heard of it last, in ms since 1970. */
  readonly lastSeenAt: number;
  /** In how many of the registry's sweeps it was heard: a share from 0 to 1. */
  readonly successRate?: number;
}

/** A registry in numbers, by its own word. */
export interface RegistryStatistics {
  readonly totalExecutors: number;
  readonly totalModels: number;
  /** Executors to which the validator is connected. */
  readonly connectedExecutors: number;
  /** Questions that this registry has answered since it started. */
  readonly totalRequests: number;
  /** How long the registry runs, in ms. */
  readonly uptimeMs: number;
}

/** What a registry answers. */
export type RegistryResult =
  | { readonly type: 'modelList'; readonly models: readonly RegistryModel[]; readonly totalCount: number }
  | {
      readonly type: 'executorList';
      readonly executors: readonly RegistryExecutor[];
      readonly totalCount: number;
    }
  | { readonly type: 'executorDetails'; readonly executor?: RegistryExecutor }
  | ({ readonly type: 'statistics' } & RegistryStatistics)
  /** `code` is `NO_REGISTRY`, `INVALID_QUERY` or `RATE_LIMITED`; others may follow. */
  | { readonly type: 'error'; readonly code: string; readonly message: string };

/** The payloads that can be signed, by the name that the signature covers. */
export interface PayloadTypes {
  LlmRequest: LlmRequest;
  LlmResponse: LlmResponse;
  AnswerSegment: AnswerSegment;
  ServiceDescriptor: ServiceDescriptor;
}

/** Name of a payload that can be signed. */
export type PayloadType = keyof PayloadTypes;

/** A payload that can be signed. */
export type Payload = PayloadTypes[PayloadType];

/** A signed payload: decoded, and as the bytes that the signature covers. Says nothing until it is verified. */
export interface SignedMessage<T extends Payload = Payload> extends SignedEnvelope {
  readonly payloadType: PayloadType;
  /** Decoded from `payloadBytes`. */
  readonly payload: T;
}

/** A run of an answer's text by one executor, with what it signed of it. Text that nobody signed costs nothing. */
export interface AnswerPart {
  /** EVM address or peer id of who produced it. */
  readonly executor: string;
  readonly text: string;
  readonly tokens: number;
  readonly signed?: SignedMessage<AnswerSegment>;
}

/** The beginning of an answer that others have produced. Whoever is given it goes on behind it. */
export interface AnswerPrefix {
  /** All text so far, signed or not; not empty. */
  readonly text: string;
  /** How many tokens it is, as those say who produced it. */
  readonly tokens: number;
  /** What they ask for it together, in wei, as a decimal text. Counts towards the request's `maxPrice`. */
  readonly totalCost: string;
}

/** What one peer may ask of another. */
export type RequestMessage =
  | {
      readonly type: 'llmRequest';
      readonly request: SignedMessage<LlmRequest>;
      /**
       * The answer has begun elsewhere. The digest of its text is what the envelope of `request` is in reply to, so that
       * it is signed as well. @default none: the answer begins here
       */
      readonly prefix?: AnswerPrefix;
    }
  | { readonly type: 'ping' };

/** What comes back. */
export type ResponseMessage =
  | { readonly type: 'llmResponse'; readonly response: SignedMessage<LlmResponse> }
  | { readonly type: 'pong' }
  | { readonly type: 'error'; readonly message: string };

/** What travels beside a request. */
export interface RequestHead {
  /** How long the client still waits, in ms. */
  readonly timeoutMs?: number;
  /** Whether the answer may come in chunks. */
  readonly stream: boolean;
  readonly idempotencyKey?: string;
  /** W3C Trace Context of the caller. */
  readonly traceparent?: string;
  /** At most 4 KiB, names and values together. */
  readonly metadata: { readonly [name: string]: string };
}

/** A request with what travels beside it. */
export interface RequestFrame extends RequestHead {
  readonly request: RequestMessage;
}

/** What opens a request in a session: the head of a request whose message follows as bytes. */
export interface OpenHead extends RequestHead {
  /** What is asked of the peer, by name; 1 to 256 bytes. */
  readonly method: string;
  /** Length of the request's message, in bytes, when it does not fit into the frame that opens it. @default not said */
  readonly sizeBytes?: number;
}

/** Some more text of a streamed answer. */
export interface ChunkFrame {
  readonly type: 'chunk';
  /** Counts the chunks of one answer from 0. */
  readonly sequence: number;
  readonly text: string;
  readonly tokens: number;
  /** Signs all text up to and with this chunk. */
  readonly segment?: SignedMessage<AnswerSegment>;
}

/** The end of an answer: the response itself, or the last segment of a streamed one. */
export interface EndFrame {
  readonly type: 'end';
  readonly response?: ResponseMessage;
  readonly segment?: SignedMessage<AnswerSegment>;
}

/** The end of a request that failed. */
export interface ErrorFrame {
  readonly type: 'error';
  /** A code of the rpc package; one that the receiver does not know counts as `REMOTE`. */
  readonly code: string;
  /** A text for people. */
  readonly message: string;
  /** The code behind the code, such as why a signature was refused. */
  readonly reason?: string;
  /** When to try again, from now. */
  readonly retryAfterMs?: number;
  /** How many requests wait before this one would. */
  readonly queueDepth?: number;
}

/** What a server writes: chunks, then one end or error. */
export type ResponseFrame = ChunkFrame | EndFrame | ErrorFrame;

interface GossipStamp {
  /** When it was said, in ms since 1970. */
  readonly timestampMs: number;
  /** Grows with each message of one sender. */
  readonly sequence: number;
}

/** What peers tell everybody. */
export type GossipMessage = GossipStamp &
  (
    | {
        readonly type: 'executorAvailable';
        readonly peerId: string;
        readonly models: readonly string[];
        readonly capacity: number;
        readonly pricing: PricingInfo;
      }
    | { readonly type: 'executorOffline'; readonly peerId: string; readonly reason?: string }
    | {
        readonly type: 'networkMetrics';
        readonly totalPeers: number;
        readonly activeExecutors: number;
        readonly activeRequests: number;
        readonly averageLatencyMs: number;
      }
    | {
        readonly type: 'priceUpdate';
        readonly peerId: string;
        readonly model: string;
        readonly newPrice: PricingInfo;
        readonly effectiveAt: number;
      }
  );
