import { CodecError } from '../errors.ts';
import { limits } from '../limits.ts';
import { openEnvelope } from '../payloads.ts';
import type {
  AnswerPrefix,
  ChunkFrame,
  EndFrame,
  ErrorFrame,
  PayloadType,
  PayloadTypes,
  RequestHead,
  RequestMessage,
  ResponseMessage,
  SignedMessage,
} from '../types.ts';
import {
  describe,
  FieldProblem,
  flag,
  isObject,
  mapped,
  optional,
  record,
  text,
  uint32,
  uint64,
  under,
  wei,
  type Field,
  type MessageField,
  type RecordFields,
} from './fields.ts';
import { emptyRecord, envelope, name, optionalName, union } from './schema.ts';

/** An envelope that must hold one type of payload, decoded. */
export function signed<K extends PayloadType>(type: K): Field<SignedMessage<PayloadTypes[K]>> {
  return mapped(envelope, {
    to: (message) => {
      if (message?.payloadType === type) return message;
      throw new FieldProblem('another payload', `"${type}"`).within('payloadType');
    },
    from: (opened) => {
      try {
        return openEnvelope(type, opened);
      } catch (error) {
        if (!CodecError.is(error, 'INVALID_FIELD')) throw error;
        const { path, got, wanted } = error.data;
        throw new FieldProblem(got, wanted).within(path.replace(`${type}.`, 'payload.'));
      }
    },
  });
}

/** A message without fields. */
export const nothing = record<object>({});

/** A text for people. */
export const reason = text(limits.reasonBytes);

type WithoutPrefix<T> = T extends unknown ? Omit<T, 'prefix'> : never;

const requestKinds = union<WithoutPrefix<RequestMessage>>({
  llmRequest: asField('request', signed('LlmRequest')),
  ping: nothing,
});

const answerPrefix = under(
  'prefix',
  optional(record<AnswerPrefix>({ text: text(limits.messageBytes, 1), tokens: uint64, totalCost: wei })),
);

export const requestMessage: Field<RequestMessage> = {
  toWire: (value) => {
    const wire = requestKinds.toWire(value) as Record<string, unknown>;
    const prefix = answerPrefix.toWire(prefixOf(value.type, (value as { prefix?: AnswerPrefix }).prefix));
    if (prefix !== undefined) wire['prefix'] = prefix;
    return wire;
  },
  fromWire: (wire) => {
    const message: RequestMessage = requestKinds.fromWire(wire);
    const prefix = answerPrefix.fromWire(prefixOf(message.type, (wire as { prefix?: unknown }).prefix));
    return prefix === undefined ? message : ({ ...message, prefix } as RequestMessage);
  },
};

/** What stands as the prefix of a request. A kind of request that has no answer of text has none. */
function prefixOf<P>(type: RequestMessage['type'], prefix: P): P {
  if (type === 'llmRequest' || prefix === undefined || prefix === null) return prefix;
  throw new FieldProblem(describe(prefix), `nothing beside a ${type}`).within('prefix');
}

const responseMessage = union<ResponseMessage>({
  llmResponse: asField('response', signed('LlmResponse')),
  pong: nothing,
  error: record<{ message: string }>({ message: reason }),
});

const metadata: Field<{ readonly [name: string]: string }> = {
  toWire: (value) => checkMetadata(value),
  fromWire: (wire) => checkMetadata(wire),
};

/** A number of which 0 says that there is none. */
export const zeroIsAbsent: Field<number | undefined> = mapped(uint64, {
  to: (value) => value ?? 0,
  from: (value) => (value === 0 ? undefined : value),
});

/** Fields 2 to 6 of every message that begins a request. */
export const requestHead: RecordFields<RequestHead> = {
  timeoutMs: zeroIsAbsent,
  stream: flag,
  idempotencyKey: optionalName,
  traceparent: optionalName,
  metadata,
};

const optionalSegment = optional(signed('AnswerSegment'));

export const answerChunk = record<Omit<ChunkFrame, 'type'>>({
  sequence: uint64,
  text: text(limits.messageBytes),
  tokens: uint32,
  segment: optionalSegment,
});

export const answerEnd = record<Omit<EndFrame, 'type'>>({
  response: optional(responseMessage),
  segment: optionalSegment,
});

export const errorFrame = record<Omit<ErrorFrame, 'type'>>({
  code: name,
  message: reason,
  reason: optionalName,
  retryAfterMs: optional(uint64),
  queueDepth: optional(uint32),
});

/** A message that says which version of the format it is in. */
export function versioned<T extends object>(field: Field<T>): Field<T> {
  return {
    toWire: (value) => {
      const wire = field.toWire(value) as Record<string, unknown>;
      wire['version'] = 1;
      return wire;
    },
    fromWire: (wire) => {
      const { version } = wire as { version: number };
      if (version !== 1) throw new FieldProblem(`version ${version}`, 'version 1').within('version');
      return field.fromWire(wire);
    },
  };
}

function asField<K extends string, V>(key: K, field: Field<V>): MessageField<Record<K, V>> {
  return {
    toWire: (value) => field.toWire(value[key]),
    fromWire: (wire) => ({ [key]: field.fromWire(wire) }) as Record<K, V>,
    readInto: (target, wire) => {
      target[key] = field.fromWire(wire);
    },
  };
}

const metadataValue = text(limits.metadataBytes);

function checkMetadata(value: unknown): Record<string, string> {
  if (!isObject(value)) throw new FieldProblem(describe(value), 'an object');
  const checked = emptyRecord<string>();
  let size = 0;
  for (const [key, entry] of Object.entries(value)) {
    checked[key] = metadataValue.toWire(entry as string) as string;
    size += Buffer.byteLength(name.toWire(key) as string) + Buffer.byteLength(checked[key]);
  }
  if (size > limits.metadataBytes)
    throw new FieldProblem(`${size} bytes`, `at most ${limits.metadataBytes} bytes`);
  return checked;
}
