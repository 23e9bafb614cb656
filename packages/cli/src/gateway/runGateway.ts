import { client } from '@lloom/behaviour/presets';
import { describeError } from '../errors.ts';
import { obtainIdentity } from '../identityFile.ts';
import { obtainToken } from '../metricsToken.ts';
import { drainMs, runServer, startNode } from '../node.ts';
import type { NodeOptions } from '../options.ts';
import { stopRequested, type Session } from '../session.ts';
import type { GatewayReport } from './config.ts';
import type { GatewayPolicy } from './policies.ts';
import { serveGateway } from './serveGateway.ts';

/** What `lloom gateway` takes. */
export interface GatewayOptions extends NodeOptions {
  readonly port: number;
  readonly host: string;
  readonly allowedHost: readonly string[];
  readonly allowedOrigin: readonly string[];
  readonly apiKeyFile: string;
  readonly policy: GatewayPolicy;
  readonly maxPrice?: string;
  readonly attempts: number;
  /** How long a provider may take before another one is asked as well, in ms. */
  readonly hedge?: number;
}

/** Runs a gateway until it is asked to stop; gives the exit code. */
export async function runGateway(options: GatewayOptions, session: Session): Promise<number> {
  const { output, interruption } = session;
  const { port, host, apiKeyFile, policy, maxPrice, attempts, hedge, timeout } = options;
  const apiKey = await obtainToken(apiKeyFile);
  const identity = await obtainIdentity(options, session);
  const started = await startNode(identity, options, { session, preset: client });
  const { node } = started;
  return runServer(started, { options, session, role: 'gateway' }, async () => {
    const gateway = await serveGateway(node, {
      ...{ identity, apiKey, port, host, policy, attempts, timeoutMs: timeout },
      ...{ allowedHosts: options.allowedHost, allowedOrigins: options.allowedOrigin },
      ...(maxPrice !== undefined && { maxPrice }),
      ...(hedge !== undefined && { hedgeMs: hedge }),
      onRequest: (report) => tell(report, session),
    });
    try {
      node.addEventListener('bootstrap:retrying', ({ detail }) =>
        output.note(`${detail.error.message}. Trying again in ${Math.ceil(detail.delayMs / 1_000)} s.`),
      );
      await node.bootstrap({ signal: interruption.signal }).catch(() => undefined);
      interruption.signal.throwIfAborted();
      const { peerId, evmAddress } = identity;
      const { url } = gateway;
      output.event('ready', { role: 'gateway', peerId, evmAddress, url, apiKeyFile, policy, maxPrice }, [
        `Gateway ${peerId} is ready.`,
        `  export OPENAI_BASE_URL=${url}`,
        `  export OPENAI_API_KEY=$(cat ${apiKeyFile})`,
        'What is asked here is signed, and owed, by this identity.',
      ]);
      await stopRequested(session);
    } finally {
      await gateway.close({ drainMs });
    }
  });
}

/** One line for each request. */
function tell(report: GatewayReport, { output }: Session): void {
  const { outcome, status, model, inboundTokens, outboundTokens, totalCost, durationMs, peerIds } = report;
  const error = report.error === undefined ? undefined : describeError(report.error);
  output.event('request', { ...report, error });
  const tokens = `${inboundTokens} + ${outboundTokens} tokens`;
  const who = peerIds.map((peerId) => `…${peerId.slice(-6)}`).join(', ');
  if (outcome === 'answered')
    output.note(`${status} ${model} by ${who}: ${tokens}, ${totalCost} wei, ${durationMs} ms`);
  else if (outcome === 'repeated') output.note(`${status} ${model} as before, for nothing`);
  else if (error === undefined) output.note(`${outcome} ${model} after ${tokens}, ${durationMs} ms`);
  else output.note(`${status} ${outcome} ${model}: ${error.code}: ${error.message}`);
}
