import type { Backend } from './backends/backend.ts';
import { offlineBackend } from './backends/offline.ts';
import { openaiBackend, type Continuation } from './backends/openai.ts';
import { usageError } from './errors.ts';

/** What chooses a backend. */
export interface BackendOptions {
  readonly model: readonly string[];
  readonly backend: 'offline' | 'openai';
  readonly baseUrl?: string;
  readonly upstreamModel?: readonly string[];
  readonly apiKeyEnv?: string;
  readonly continuation?: Continuation;
  readonly pace?: number;
}

/** Makes the backend of an executor, given its peer id. */
export type BackendChoice = (executorId: string) => Backend;

/**
 * The backend that the options ask for, as soon as it is known who the executor is.
 * @throws {CliError} `USAGE`; `ConfigError` when the URL or the key cannot be used
 */
export function chooseBackend(options: BackendOptions): BackendChoice {
  const { backend, model, baseUrl, upstreamModel, apiKeyEnv, continuation, pace } = options;
  if (backend === 'offline') {
    const misplaced = Object.entries({
      '--base-url': baseUrl,
      '--upstream-model': upstreamModel,
      '--api-key-env': apiKeyEnv,
      '--continuation': continuation,
    });
    const [name] = misplaced.find(([, value]) => value !== undefined) ?? [];
    if (name !== undefined)
      throw usageError(`Cannot use ${name} with the backend "offline"`, 'Add --backend openai.');
    const paceMs = pace === undefined ? {} : { paceMs: pace };
    return (executorId) => offlineBackend({ models: model, executorId, ...paceMs });
  }
  if (pace !== undefined) throw usageError('Cannot use --pace with the backend "openai"', 'Leave it out.');
  if (baseUrl === undefined) {
    throw usageError(
      'The backend "openai" needs a URL',
      'Add --base-url, such as http://127.0.0.1:11434/v1.',
    );
  }
  if (upstreamModel !== undefined && upstreamModel.length !== model.length) {
    throw usageError(
      `There are ${upstreamModel.length} --upstream-model for ${model.length} --model`,
      'Give one --upstream-model for each --model, in the same order, or none.',
    );
  }
  const models = model.map((name, index) => ({ name, upstream: upstreamModel?.[index] ?? name }));
  const chosen = openaiBackend({
    baseUrl,
    models,
    apiKey: apiKeyOf(apiKeyEnv),
    ...(continuation !== undefined && { continuation }),
  });
  return () => chosen;
}

function apiKeyOf(name: string | undefined): string {
  const key = process.env[name ?? 'OPENAI_API_KEY'] ?? '';
  if (name === undefined || key !== '') return key;
  throw usageError(`The variable ${name} of --api-key-env is not set`, `Set it: ${name}=… lloom executor …`);
}
