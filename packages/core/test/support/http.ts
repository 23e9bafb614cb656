import { request, type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { LoopbackServer } from '../../src/loopback/types.ts';

/** What tests show, unless they say otherwise. */
export const token = 'a-token-of-a-test';
export const authorization = `Bearer ${token}`;

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly content?: string | Uint8Array;
  readonly agent?: Agent;
}

export interface Answered {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Asks with the token; a header that is `undefined` is left out. */
export const ask = ({ origin: url }: LoopbackServer, asked: Asked = {}): Promise<Answered> => {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const { hostname, port } = new URL(url);
  const { agent = false, content, headers, method = 'GET', path = '/it' } = asked;
  const given = Object.entries({ authorization, ...headers });
  const known = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  const call = request({
    host: hostname.replaceAll(/[[\]]/g, ''),
    ...{ port, method, path, agent },
    headers: known,
  });
  call.on('error', reject);
  call.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => (text += part));
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
  });
  call.end(content);
  return promise;
};

/** What comes on a connection until its end. */
export const talk = ({ origin: url }: LoopbackServer, said = ''): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => void socket.write(said));
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  return promise;
};

export const statusOf = async (answer: Promise<Answered>): Promise<number | undefined> =>
  (await answer).status;
