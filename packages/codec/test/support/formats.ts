import type * as fc from 'fast-check';

import {
  decodeAnswerChunk,
  decodeAnswerEnd,
  decodeDescriptorFrame,
  decodeDescriptorRequest,
  decodeErrorFrame,
  decodeGossipMessage,
  decodeOpenHead,
  decodePayload,
  decodeRegistryQuery,
  decodeRegistryResult,
  decodeRequestFrame,
  decodeRequestMessage,
  decodeResponseFrame,
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodeDescriptorFrame,
  encodeDescriptorRequest,
  encodeErrorFrame,
  encodeGossipMessage,
  encodeOpenHead,
  encodePayload,
  encodeRegistryQuery,
  encodeRegistryResult,
  encodeRequestFrame,
  encodeRequestMessage,
  encodeResponseFrame,
} from '../../src/index.ts';
import type { Payload, PayloadType } from '../../src/index.ts';
import * as any from './arbitraries.ts';

/** Both directions of one message type. */
export interface Format {
  readonly encode: (value: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
}

function format<T>(encode: (value: T) => Uint8Array, decode: (bytes: Uint8Array) => T): Format {
  return { encode: (value) => encode(value as T), decode };
}

const payload = (type: PayloadType): Format =>
  format<Payload>(
    (value) => encodePayload(type, value),
    (bytes) => decodePayload(type, bytes),
  );

/** Every message type by its name on the wire. */
export const formats = {
  LlmRequest: payload('LlmRequest'),
  LlmResponse: payload('LlmResponse'),
  AnswerSegment: payload('AnswerSegment'),
  ServiceDescriptor: payload('ServiceDescriptor'),
  RequestFrame: format(encodeRequestFrame, decodeRequestFrame),
  ResponseFrame: format(encodeResponseFrame, decodeResponseFrame),
  OpenHead: format(encodeOpenHead, decodeOpenHead),
  RequestMessage: format(encodeRequestMessage, decodeRequestMessage),
  AnswerChunk: format(encodeAnswerChunk, decodeAnswerChunk),
  AnswerEnd: format(encodeAnswerEnd, decodeAnswerEnd),
  ErrorFrame: format(encodeErrorFrame, decodeErrorFrame),
  GossipMessage: format(encodeGossipMessage, decodeGossipMessage),
  DescriptorRequest: format<void>(encodeDescriptorRequest, decodeDescriptorRequest),
  DescriptorFrame: format(encodeDescriptorFrame, decodeDescriptorFrame),
  RegistryRequest: format(encodeRegistryQuery, decodeRegistryQuery),
  RegistryAnswer: format(encodeRegistryResult, decodeRegistryResult),
};

export type FormatName = keyof typeof formats;

interface Kind {
  readonly title: string;
  readonly name: FormatName;
  readonly values: fc.Arbitrary<unknown>;
}

/** Values of every message type and of each kind that it comes in. */
export const kinds: readonly Kind[] = [
  { title: 'LlmRequest', name: 'LlmRequest', values: any.llmRequest },
  { title: 'LlmResponse', name: 'LlmResponse', values: any.llmResponse },
  { title: 'AnswerSegment', name: 'AnswerSegment', values: any.answerSegment },
  { title: 'ServiceDescriptor', name: 'ServiceDescriptor', values: any.serviceDescriptor },
  { title: 'RequestFrame of a model request', name: 'RequestFrame', values: any.llmRequestFrame },
  { title: 'RequestFrame of a ping', name: 'RequestFrame', values: any.pingFrame },
  { title: 'ResponseFrame with a chunk', name: 'ResponseFrame', values: any.chunkFrame },
  { title: 'ResponseFrame at the end', name: 'ResponseFrame', values: any.endFrame },
  { title: 'ResponseFrame with an error', name: 'ResponseFrame', values: any.errorFrame },
  { title: 'OpenHead', name: 'OpenHead', values: any.openHead },
  { title: 'RequestMessage', name: 'RequestMessage', values: any.requestMessage },
  { title: 'AnswerChunk', name: 'AnswerChunk', values: any.chunkFrame },
  { title: 'AnswerEnd', name: 'AnswerEnd', values: any.endFrame },
  { title: 'ErrorFrame', name: 'ErrorFrame', values: any.errorFrame },
  { title: 'DescriptorFrame', name: 'DescriptorFrame', values: any.descriptorFrame },
  ...kindsOf('GossipMessage', any.gossip),
  ...kindsOf('RegistryRequest', any.registryQuery),
  ...kindsOf('RegistryAnswer', any.registryResult),
];

function kindsOf(name: FormatName, values: Readonly<Record<string, fc.Arbitrary<unknown>>>): Kind[] {
  return Object.entries(values).map(([type, value]) => ({ title: `${name} ${type}`, name, values: value }));
}

/** A name from a table of vectors. */
export function formatOf(name: string): Format {
  const found = Object.hasOwn(formats, name) ? formats[name as FormatName] : undefined;
  if (found === undefined) throw new Error(`There is no message "${name}"`);
  return found;
}
