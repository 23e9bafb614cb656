import { createHash, timingSafeEqual } from 'node:crypto';
import type { LoopbackDenial, LoopbackPath } from './types.ts';

/** What a request says before its body. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/** Whom a server answers, and on what. */
export interface JudgeConfig {
  readonly token: string;
  /** What the token is for, in the answer to who shows none. */
  readonly realm: string;
  /** Whether the token may stand in the URL as `token`, for what browsers open. */
  readonly isTokenInUrl: boolean;
  readonly paths: ReadonlyMap<string, LoopbackPath>;
  /** Names that it answers to beside those of this machine. */
  readonly allowedHosts: readonly string[];
  /** Origins beside its own. */
  readonly allowedOrigins: readonly string[];
}

/** What becomes of a request. */
export type Verdict =
  | { readonly kind: 'served'; readonly path: LoopbackPath }
  | { readonly kind: 'denied'; readonly denial: LoopbackDenial }
  /** A browser asks whether a page of an allowed origin may send what it wants to. */
  | { readonly kind: 'preflight' };

/** Decides by what requests say of themselves which of them are answered. See docs/adr/0010-loopback-http.md. */
export class Judge {
  readonly #config: JudgeConfig;
  readonly #tokenDigest: Buffer;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor(config: JudgeConfig) {
    this.#config = config;
    this.#tokenDigest = digestOf(config.token);
    this.#hosts = new Set(config.allowedHosts.map((name) => name.toLowerCase()));
    this.#origins = new Set(config.allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** Whether pages of this origin may read answers, though it is not the server's own. */
  allowsOrigin(origin: string | undefined): boolean {
    return origin !== undefined && this.#origins.has(origin.toLowerCase());
  }

  /** What becomes of a request to this port; whoever has no token is told nothing but that. */
  judge(head: RequestHead, port: number): Verdict {
    const { method, headers, rawHeaders } = head;
    const host = textOf(headers['host']).toLowerCase();
    if (countOf(rawHeaders, 'host') !== 1 || !this.#isServed(host, port)) return denied(denials.foreignHost);
    const origin = headers['origin'] === undefined ? undefined : textOf(headers['origin']);
    const isAllowed = this.allowsOrigin(origin);
    if (origin !== undefined && !isAllowed && origin.toLowerCase() !== `http://${host}`)
      return denied(denials.foreignOrigin);
    if (isAllowed && method === 'OPTIONS' && headers['access-control-request-method'] !== undefined)
      return { kind: 'preflight' };
    const path = this.#find(targetOf(head).path);
    const hasToken = timingSafeEqual(digestOf(this.#tokenOf(head)), this.#tokenDigest);
    if (!hasToken && path?.isOpen !== true) return this.#noToken();
    if (path === undefined) return this.#unknownPath();
    return bodyDenial(head, path) ?? methodDenial(method, path) ?? { kind: 'served', path };
  }

  #isServed(host: string, own: number): boolean {
    if (isOwnHost(host, own) || this.#hosts.has(host)) return true;
    const ending = `:${own}`;
    return host.endsWith(ending) && this.#hosts.has(host.slice(0, -ending.length));
  }

  #find(path: string): LoopbackPath | undefined {
    const { paths } = this.#config;
    const exact = path.endsWith('*') ? undefined : paths.get(path);
    if (exact !== undefined) return exact;
    const [, wide] =
      [...paths].find(([name]) => {
        const start = name.endsWith('*') ? name.slice(0, -1) : undefined;
        return start !== undefined && path.length > start.length && path.startsWith(start);
      }) ?? [];
    return wide;
  }

  #tokenOf(head: RequestHead): string {
    const { authorization } = head.headers;
    if (authorization === undefined && this.#config.isTokenInUrl)
      return targetOf(head).query.get('token') ?? '';
    return /^Bearer +(\S+)$/i.exec(textOf(authorization))?.[1] ?? '';
  }

  #noToken(): Verdict {
    const headers = { 'WWW-Authenticate': `Bearer realm="${this.#config.realm}"` };
    return denied({ status: 401, text: 'The token is missing or wrong.', headers });
  }

  #unknownPath(): Verdict {
    return denied({ status: 404, text: onlyText([...this.#config.paths.keys()]) });
  }
}

const denials = {
  foreignHost: { status: 403, text: 'This host is not served.' },
  foreignOrigin: { status: 403, text: 'Pages of elsewhere are not served.' },
} as const satisfies Record<string, LoopbackDenial>;

const denied = (denial: LoopbackDenial): Verdict => ({ kind: 'denied', denial });

/** What is said of a body that is larger than it may be. */
export function tooLarge(maxBytes: number, sizeBytes?: number): LoopbackDenial {
  const got = sizeBytes === undefined ? 'This one is larger' : `This one has ${sizeBytes}`;
  const text = `A body has at most ${maxBytes} bytes here. ${got}.`;
  return { status: 413, text: maxBytes === 0 ? 'A request has no body here.' : text };
}

function bodyDenial({ headers }: RequestHead, { maxBodyBytes = 0 }: LoopbackPath): Verdict | undefined {
  const sizeBytes = Number(headers['content-length'] ?? 0);
  const isUnknown = headers['transfer-encoding'] !== undefined;
  if (!(sizeBytes <= maxBodyBytes)) return denied(tooLarge(maxBodyBytes, sizeBytes));
  return isUnknown && maxBodyBytes === 0 ? denied(tooLarge(0)) : undefined;
}

function methodDenial(method = '', { method: wanted = 'GET' }: LoopbackPath): Verdict | undefined {
  const served = wanted === 'GET' ? ['GET', 'HEAD'] : [wanted];
  if (served.includes(method)) return undefined;
  return denied({ status: 405, text: onlyText(served), headers: { Allow: served.join(', ') } });
}

function onlyText(names: readonly string[]): string {
  const [last = '', ...others] = names.toReversed();
  if (others.length === 0) return `Only ${last} is served.`;
  return `Only ${others.toReversed().join(', ')} and ${last} are served.`;
}

/** What a request asks for, not resolved in any way: a path is one that is served, or none. */
export function targetOf({ url = '' }: Pick<RequestHead, 'url'>): {
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
