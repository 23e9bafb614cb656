/**
 * The messages of Lloom as bytes and as values: protobuf bodies checked field by field, and frames whose size is
 * refused before anything is stored.
 *
 * @packageDocumentation
 */
export { CodecError, type CodecErrorCode, type CodecErrorData } from './errors.ts';
export { encodeFrame, FrameDecoder } from './framing.ts';
export { limits } from './limits.ts';
export {
  decodeDescriptorFrame,
  decodeDescriptorRequest,
  decodeGossipMessage,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeDescriptorFrame,
  encodeDescriptorRequest,
  encodeGossipMessage,
  encodeRequestFrame,
  encodeResponseFrame,
} from './messages.ts';
export { decodeOpenHead, encodeOpenHead } from './openHead.ts';
export {
  decodeAnswerChunk,
  decodeAnswerEnd,
  decodeErrorFrame,
  decodeRequestMessage,
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodeErrorFrame,
  encodeRequestMessage,
  joinRequestFrame,
  joinResponseFrame,
  splitRequestFrame,
  splitResponseFrame,
} from './parts.ts';
export {
  completeLlmRequest,
  costOf,
  decodePayload,
  encodePayload,
  openEnvelope,
  payloadTypeOf,
  wantedFeatures,
} from './payloads.ts';
export {
  decodeRegistryQuery,
  decodeRegistryResult,
  encodeRegistryQuery,
  encodeRegistryResult,
} from './registry.ts';
export { SessionDecoder } from './sessionDecoder.ts';
export {
  encodeCredit,
  encodeSessionFrame,
  joinOpen,
  readCredit,
  sessionFrame,
  sessionHeaderBytes,
  splitOpen,
  writeSessionHeader,
  type SessionFrame,
  type SessionFrameKind,
  type SessionHeader,
} from './sessionFrames.ts';
export type {
  AnswerPart,
  AnswerPrefix,
  AnswerSegment,
  ChatMessage,
  ChatRole,
  ChunkFrame,
  EndFrame,
  ErrorFrame,
  ExecutorService,
  FinishReason,
  GossipMessage,
  JsonObject,
  JsonValue,
  LlmRequest,
  LlmRequestInput,
  LlmResponse,
  OpenHead,
  Payload,
  PayloadType,
  PayloadTypes,
  PricingInfo,
  RegistryExecutor,
  RegistryFilters,
  RegistryModel,
  RegistryQuery,
  RegistryResult,
  RegistryStatistics,
  RequestFrame,
  RequestHead,
  RequestMessage,
  ResponseFrame,
  ResponseMessage,
  ServiceDescriptor,
  ServiceType,
  SignedMessage,
  ValidatorService,
} from './types.ts';
