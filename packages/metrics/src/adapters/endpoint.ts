import { LoopbackError, openLoopback, type LoopbackContent, type LoopbackLimits } from '@lloom/core/loopback';
import { resolveEndpointConfig } from '../config.ts';
import { MetricsError } from '../errors.ts';
import type { EndpointConfig, MetricsEndpoint } from '../types.ts';

// As long as Prometheus waits for an answer by default.
const ownAnswerMs = 10_000;

const path = '/metrics';

/**
 * Opens an endpoint on this machine. `text` is asked for each time, once for all who come while it works.
 *
 * @param limits shorter times, for tests
 * @throws {ConfigError} for a configuration that is none
 * @throws {MetricsError} `ENDPOINT_FAILED`
 */
export async function openEndpoint(
  given: EndpointConfig | undefined,
  text: () => Promise<LoopbackContent>,
  limits: Partial<LoopbackLimits> = {},
): Promise<MetricsEndpoint> {
  const config = resolveEndpointConfig(given);
  const { answerMs = ownAnswerMs } = limits;
  const ask = shared(text, answerMs);
  try {
    const { origin, token, close } = await openLoopback(config, {
      realm: 'metrics',
      paths: { [path]: async ({ answer }) => answer(await ask()) },
      limits: { ...limits, answerMs },
    });
    return { url: `${origin}${path}`, token, close };
  } catch (error) {
    if (!LoopbackError.is(error, 'LISTEN_FAILED')) throw error;
    throw new MetricsError('ENDPOINT_FAILED', error.data, { cause: error.cause });
  }
}

/**
 * The figures, worked out once for all who want them at the same time. Those that take too long are not waited for by who comes
 * later.
 */
function shared<T>(text: () => Promise<T>, patienceMs: number): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    if (asked !== undefined) return asked;
    const forget = (): void => {
      clearTimeout(timer);
      if (asked === asking) asked = undefined;
    };
    const timer = setTimeout(forget, patienceMs);
    timer.unref();
    const asking = Promise.resolve()
      .then(() => text())
      .finally(forget);
    asked = asking;
    return asking;
  };
}
