import { Identity } from '@lloom/behaviour';
import { afterEach, beforeEach } from 'vitest';
import { serveGateway, type Gateway, type GatewayConfig, type GatewayReport } from '../../src/index.ts';
import { GatewayStandIn, type GivenAnswer } from './gatewayNode.ts';

const identity = Identity.generate();
export const apiKey = 'a-key-of-a-test-0';

/** What a test has: a node that asks nobody, and gateways over it, which are closed behind the test. */
export interface Setting {
  node: GatewayStandIn;
  reports: GatewayReport[];
  readonly open: (given?: Partial<GatewayConfig>) => Promise<Gateway>;
}

export function setUp(): Setting {
  const opened: Gateway[] = [];
  const setting: Setting = {
    node: new GatewayStandIn(),
    reports: [],
    open: async (given = {}) => {
      const onRequest = (report: GatewayReport): void => void setting.reports.push(report);
      const gateway = await serveGateway(setting.node, { identity, apiKey, onRequest, ...given });
      opened.push(gateway);
      return gateway;
    },
  };
  beforeEach(() => {
    setting.node = new GatewayStandIn();
    setting.reports = [];
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((gateway) => gateway.close()));
  });
  return setting;
}

/** What is asked, unless a test says more. */
export const question = { model: 'demo', messages: [{ role: 'user', content: 'Hello there' }] };

export interface Ask {
  readonly path?: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export const ask = (
  { url }: Gateway,
  { path = '/chat/completions', body, headers, signal }: Ask = {},
): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, ...headers },
    body: JSON.stringify({ ...question, ...body }),
    ...(signal && { signal }),
  });
export const get = ({ url }: Gateway, path: string, headers?: Record<string, string>): Promise<Response> =>
  fetch(new URL(path, url), { headers: { authorization: `Bearer ${apiKey}`, ...headers } });

/** Every event of a stream. */
export async function eventsOf(response: Response): Promise<unknown[]> {
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: '));
  return lines.map((line) => (line === 'data: [DONE]' ? '[DONE]' : (JSON.parse(line.slice(6)) as unknown)));
}

export type Problem = { readonly error: Record<string, unknown>; readonly lloom?: unknown };
export const problemOf = async (response: Response): Promise<unknown> => {
  const { error } = (await response.json()) as Problem;
  return { status: response.status, code: error['code'] };
};

export const answers = (text: string) => (answer: GivenAnswer) => {
  void answer.give(text);
  answer.end();
};

/** Lets other things happen until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => void setImmediate(resolve));
}
