import type { MetricsEndpoint } from '@lloom/metrics';
import { expect, test, vi } from 'vitest';
import { Endpoints } from './endpoints.ts';

function figuresWith(serving: Promise<void> = Promise.resolve()) {
  const close = vi.fn<MetricsEndpoint['close']>(() => Promise.resolve());
  const serve = async (): Promise<MetricsEndpoint> => {
    await serving;
    return { url: 'http://127.0.0.1:1/metrics', token: 'token', close };
  };
  return { figures: { serve }, close };
}

test('an endpoint that was closed is not closed again with the node', async () => {
  const { figures, close } = figuresWith();
  const endpoints = new Endpoints(figures);
  const [first, second] = [await endpoints.open(), await endpoints.open()];
  expect(second).toMatchObject({ url: 'http://127.0.0.1:1/metrics', token: 'token' });
  await first.close();
  await endpoints.close();
  expect(close).toHaveBeenCalledTimes(2);
});

test('a node that is stopped opens none, and closes what was being opened', async () => {
  const serving = Promise.withResolvers<void>();
  const { figures, close } = figuresWith(serving.promise);
  const endpoints = new Endpoints(figures);
  const opening = endpoints.open();
  await endpoints.close();
  serving.resolve();
  await expect(opening).rejects.toMatchObject({ code: 'METRICS_UNAVAILABLE' });
  expect(close).toHaveBeenCalledOnce();
  await expect(endpoints.open()).rejects.toThrow('the node is stopped');
});

test('a node that does not count has nothing to serve', async () => {
  await expect(new Endpoints(undefined).open()).rejects.toThrow('enableMetrics is false');
});
