// gRPC for Node.js, with a message of one field of bytes.
import {
  Client,
  Server,
  ServerCredentials,
  credentials,
  type ChannelCredentials,
  type ClientOptions,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { generate } from 'selfsigned';
import { body } from './body.ts';
import { answer, type Stack } from './stack.ts';

/** Certificates name hosts, not addresses. */
const host = 'localhost';
const path = '/bench.Bench/Ask';
const serialize = (bytes: Uint8Array): Buffer => {
  const encoded = body.encode(bytes);
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
};
const service = {
  ask: {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize,
    requestDeserialize: body.decode,
    responseSerialize: serialize,
    responseDeserialize: body.decode,
  },
} as const;

const ask: UntypedHandleCall = (_: unknown, callback: (error: null, answer: Uint8Array) => void) =>
  callback(null, answer);

async function listen(serverCredentials: ServerCredentials): Promise<{ server: Server; target: string }> {
  const server = new Server();
  server.addService(service, { ask });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', serverCredentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { server, target: `127.0.0.1:${port}` };
}

function dial(target: string, channel: ChannelCredentials, options: ClientOptions = {}) {
  const client = new Client(target, channel, options);
  const unary = (request: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, serialize, body.decode, request, (error, response) =>
        error === null && response !== undefined
          ? resolve(response)
          : reject(error ?? new Error('No answer')),
      );
    });
  return { unary, close: () => Promise.resolve(client.close()) };
}

const stop = (server: Server) => (): Promise<void> => Promise.resolve(server.forceShutdown());

/** Over TLS, with a certificate of this run. */
export const grpcTls: Stack = {
  async startServer() {
    const subject = [{ name: 'commonName', value: host }];
    const altNames = [{ type: 2 as const, value: host }];
    const { cert, private: key } = await generate(subject, {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames }],
    });
    const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
    const { server, target } = await listen(ServerCredentials.createSsl(null, [pair]));
    return { address: JSON.stringify({ target, cert }), close: stop(server) };
  },
  connect(address) {
    const { target, cert } = JSON.parse(address) as { target: string; cert: string };
    const options = { 'grpc.ssl_target_name_override': host };
    return Promise.resolve(dial(target, credentials.createSsl(Buffer.from(cert)), options));
  },
};

/** Without encryption. */
export const grpcInsecure: Stack = {
  async startServer() {
    const { server, target } = await listen(ServerCredentials.createInsecure());
    return { address: target, close: stop(server) };
  },
  connect: (address) => Promise.resolve(dial(address, credentials.createInsecure())),
};
