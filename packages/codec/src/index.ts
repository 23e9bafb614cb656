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
export {
  completeLlmRequest,
  costOf,
  decodePayload,
  encodePayload,
  openEnvelope,
  payloadTypeOf,
} from './payloads.ts';
export type {
  AnswerPart,
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
  Payload,
  PayloadType,
  PayloadTypes,
  PricingInfo,
  RequestFrame,
  RequestMessage,
  ResponseFrame,
  ResponseMessage,
  ServiceDescriptor,
  ServiceType,
  SignedMessage,
  ValidatorService,
} from './types.ts';
