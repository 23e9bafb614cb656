import type { PackagesConfig } from '@lloom/behaviour';
import { executor } from '@lloom/behaviour/presets';
import type { BackendChoice, BackendOptions } from './backendOptions.ts';
import { describeError } from './errors.ts';
import { executorHandler, type RequestReport } from './executor.ts';
import { obtainIdentity } from './identityFile.ts';
import { beReachable, fullAddresses, offer, runServer, startNode } from './node.ts';
import type { NodeOptions } from './options.ts';
import type { Session } from './session.ts';

/** What `lloom executor` takes. */
export interface ExecutorOptions extends NodeOptions, BackendOptions {
  readonly inboundPrice: string;
  readonly outboundPrice: string;
  /** How many requests are worked on at the same time. */
  readonly capacity: number;
  /** How many more may wait. */
  readonly queue: number;
  /** How often one peer may ask. */
  readonly rateLimit?: { readonly requests: number; readonly perMs: number };
}

/** Runs an executor until it is asked to stop; gives the exit code. */
export async function serveModels(
  options: ExecutorOptions,
  choice: BackendChoice,
  session: Session,
): Promise<number> {
  const { model: models, inboundPrice, outboundPrice, capacity, queue } = options;
  const pricing = { inboundPrice, outboundPrice };
  const { output } = session;
  const identity = await obtainIdentity(options, session);
  const backend = choice(identity.peerId);
  const onRequest = (report: RequestReport): void => tell(report, session);
  const handler = executorHandler({ backend, pricing, onRequest });
  const packages = { rpc: limitsOf(options) };
  const started = await startNode(identity, options, { session, preset: executor, packages });
  const { node } = started;
  return runServer(started, { options, session, role: 'executor' }, async () => {
    node.serve(handler, { canContinue: backend.canContinue === true });
    const { peerId, evmAddress } = identity;
    const addresses = fullAddresses(node);
    const data = {
      role: 'executor',
      peerId,
      evmAddress,
      addresses,
      models,
      capacity,
      queue,
      pricing,
      backend: backend.name,
    };
    output.event('ready', data, [
      `Executor ${peerId} is ready at`,
      ...addresses.map((address) => `  ${address}`),
      `It serves ${models.join(', ')} through the backend "${backend.name}", ${capacity} requests at a time,`,
      `for ${inboundPrice} wei per token of the question and ${outboundPrice} of the answer.`,
    ]);
    await beReachable(node, options, session);
    const { features = [] } = backend;
    await offer(node, { kind: 'executor', models, capacity, pricing, features }, session);
  });
}

function limitsOf({ capacity, queue, rateLimit }: ExecutorOptions): NonNullable<PackagesConfig['rpc']> {
  return {
    capacity,
    maxQueuedRequests: queue,
    ...(rateLimit !== undefined && { rateLimits: { llmRequest: rateLimit } }),
  };
}

/** One line for each request, with the whole error for the operator: the client is told less. */
function tell(report: RequestReport, { output }: Session): void {
  const { outcome, model, peerId, inboundTokens, outboundTokens, totalCost, durationMs: ms } = report;
  const error =
    report.error === undefined || outcome === 'cancelled' ? undefined : describeRefusal(report.error);
  output.event('request', { ...report, error });
  const who = `${model} for …${peerId.slice(-6)}`;
  const tokens = `${inboundTokens} + ${outboundTokens} tokens`;
  if (outcome === 'answered') output.note(`answered ${who}: ${tokens}, ${totalCost} wei, ${ms} ms`);
  else if (error === undefined) output.note(`${outcome} ${who} after ${tokens}, ${ms} ms`);
  else output.note(`${outcome} ${who}: ${error.code}: ${error.message}`);
}

/** A refusal by its code; anything else as errors are shown. */
function describeRefusal(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof Error && error.name === 'Refusal') {
    return { code: (error as Error & { code: string }).code, message: error.message };
  }
  return describeError(error);
}
