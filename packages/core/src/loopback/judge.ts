import { createHash, timingSafeEqual } from 'node:crypto';

/** What a request says before its body. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/** A request that is not answered with what it asks for. */
export interface LoopbackDenial {
  readonly status: number;
  /** For people, in plain words. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Whom a server answers, and on what. */
export interface JudgeConfig {
  readonly token: string;
  /** What the token is for, in the answer to who shows none. */
  readonly realm: string;
  /** Whether the token may stand in the URL as `token`, for what browsers open. */
  readonly isTokenInUrl: boolean;
  readonly paths: readonly string[];
}

/** Decides by what requests say of themselves which of them are answered. See docs/adr/0010-loopback-http.md. */
export class Judge {
  readonly #config: JudgeConfig;
  readonly #tokenDigest: Buffer;

  constructor(config: JudgeConfig) {
    this.#config = config;
    this.#tokenDigest = digestOf(config.token);
  }

  /** Why a request to this port is denied; whoever has no token is told nothing but that. */
  judge(head: RequestHead, port: number): LoopbackDenial | undefined {
    const { method, headers, rawHeaders } = head;
    const { origin } = headers;
    const host = textOf(headers['host']);
    if (countOf(rawHeaders, 'host') !== 1 || !isOwnHost(host, port)) return denials.foreignHost;
    if (origin !== undefined && textOf(origin).toLowerCase() !== `http://${host.toLowerCase()}`)
      return denials.foreignOrigin;
    if (!timingSafeEqual(digestOf(this.#tokenOf(head)), this.#tokenDigest)) return this.#noToken();
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
      return denials.body;
    const { paths } = this.#config;
    if (!paths.includes(targetOf(head).path))
      return { status: 404, text: `Only ${paths.join(' and ')} ${paths.length > 1 ? 'are' : 'is'} served.` };
    return method === 'GET' || method === 'HEAD' ? undefined : denials.otherMethod;
  }

  #tokenOf(head: RequestHead): string {
    const { authorization } = head.headers;
    if (authorization === undefined && this.#config.isTokenInUrl)
      return targetOf(head).query.get('token') ?? '';
    return /^Bearer +(\S+)$/i.exec(textOf(authorization))?.[1] ?? '';
  }

  #noToken(): LoopbackDenial {
    const headers = { 'WWW-Authenticate': `Bearer realm="${this.#config.realm}"` };
    return { status: 401, text: 'The token is missing or wrong.', headers };
  }
}

const denials = {
  foreignHost: { status: 403, text: 'This host is not served.' },
  foreignOrigin: { status: 403, text: 'Pages of elsewhere are not served.' },
  body: { status: 413, text: 'A request has no body here.' },
  otherMethod: { status: 405, text: 'Only GET and HEAD are served.', headers: { Allow: 'GET, HEAD' } },
} as const satisfies Record<string, LoopbackDenial>;

/** What a request asks for, not resolved in any way: a path is one that is served, or none. */
export function targetOf({ url = '' }: RequestHead): {
  readonly path: string;
  readonly query: URLSearchParams;
} {
  const [path = ''] = url.split('?', 1);
  return { path, query: new URLSearchParams(url.slice(path.length)) };
}

/** Whether it names this machine as itself: a name that was pointed here by others does not count. */
function isOwnHost(host: string, own: number): boolean {
  const [, name = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host) ?? [];
  if (port !== undefined && Number(port) !== own) return false;
  return /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/i.test(name);
}

const textOf = (value: string | readonly string[] | undefined): string =>
  typeof value === 'string' ? value : '';

/** Of equal length whatever it is made of, so that comparing tells nothing by its time. */
const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Of several Host headers, Node.js keeps the first. */
const countOf = (rawHeaders: readonly string[], name: string): number =>
  rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name).length;
