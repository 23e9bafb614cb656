import protobuf from 'protobufjs';

const type = new protobuf.Type('Body').add(new protobuf.Field('data', 1, 'bytes'));

/** A message with one field of bytes: what stacks with a codec of their own are given to encode. */
export const body = {
  encode: (data: Uint8Array): Uint8Array => type.encode({ data }).finish(),
  decode: (bytes: Uint8Array): Uint8Array => (type.decode(bytes) as unknown as { data: Uint8Array }).data,
};
