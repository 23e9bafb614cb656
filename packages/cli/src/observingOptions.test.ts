import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { obtainToken } from './metricsToken.ts';
import { collectorUrl, port, share } from './observingOptions.ts';
import { withNodeOptions, type NodeOptions } from './options.ts';

const usage = expect.objectContaining({ name: 'CliError', code: 'USAGE' }) as Error;

const parse = (role: 'server' | 'client' | 'doctor', ...given: readonly string[]): NodeOptions =>
  withNodeOptions(new Command().exitOverride().configureOutput({ writeErr: () => undefined }), role)
    .parse(given, { from: 'user' })
    .opts<NodeOptions>();

test.each([
  ['http://127.0.0.1:4318', 'http://127.0.0.1:4318/v1/traces'],
  ['https://collector.example/', 'https://collector.example/v1/traces'],
  ['http://127.0.0.1:4318/otlp/v1/traces', 'http://127.0.0.1:4318/otlp/v1/traces'],
])('traces to %s go to %s', (given, url) => {
  expect(collectorUrl(given)).toBe(url);
});

test.each(['', '127.0.0.1:4318', 'ftp://127.0.0.1', 'http://user:secret@127.0.0.1:4318'])(
  'traces cannot go to "%s"',
  (given) => {
    expect(() => collectorUrl(given)).toThrow(usage);
    expect(() => collectorUrl(given)).not.toThrow(/secret/);
  },
);

test('shares and ports stay within their bounds', () => {
  expect([share('0'), share('0.01'), share('1')]).toEqual([0, 0.01, 1]);
  for (const text of ['', '1.5', '-1', '2', '1e-3', '50%']) expect(() => share(text)).toThrow(usage);
  expect([port('0'), port('9464'), port('65535')]).toEqual([0, 9_464, 65_535]);
  for (const text of ['', '-1', '65536', '80a']) expect(() => port(text)).toThrow(usage);
});

test('a server traces few requests unless it is told otherwise, a client all', () => {
  expect(parse('server')).toMatchObject({ traceRatio: 0.01, metricsTokenFile: 'lloom-metrics-token' });
  expect(parse('client')).toMatchObject({ traceRatio: 1 });
  expect(parse('server', '--trace-ratio', '0.5', '--metrics', '0')).toMatchObject({
    traceRatio: 0.5,
    metrics: 0,
  });
});

test('every node is told how much to log, and in which form', () => {
  for (const role of ['server', 'client', 'doctor'] as const)
    expect(parse(role, '--log-level', 'debug', '--log-json')).toMatchObject({
      logLevel: 'debug',
      logJson: true,
    });
  expect(() => parse('server', '--log-level', 'loud')).toThrow(/Allowed choices/);
});

test('a server has a web view on the port that is named, or any, or none', () => {
  expect(parse('server')).not.toHaveProperty('ui');
  expect(parse('server', '--ui', '--json')).toMatchObject({ ui: 0, json: true });
  expect(parse('server', '--ui', '8080')).toMatchObject({ ui: 8_080 });
  expect(() => parse('server', '--ui', 'all')).toThrow(usage);
  expect(() => parse('client', '--ui')).toThrow(/unknown option/);
});

test('a client serves no figures, and a doctor sends no traces', () => {
  expect(() => parse('client', '--metrics', '1')).toThrow(/unknown option/);
  expect(() => parse('doctor', '--traces', 'http://127.0.0.1:1')).toThrow(/unknown option/);
});

describe('the token of the figures', () => {
  test('is made for its owner only, and stays', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lloom-token-'));
    try {
      const file = join(folder, 'token');
      const token = await obtainToken(file);
      expect(token).toMatch(/^[0-9a-f]{64}$/);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(await readFile(file, 'utf8')).toBe(`${token}\n`);
      expect(await obtainToken(file)).toBe(token);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('is refused when others can read it or it is none, and never shown', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lloom-token-'));
    try {
      const failed = (words: RegExp): Error =>
        expect.objectContaining({
          code: 'FILE_FAILED',
          message: expect.stringMatching(words) as string,
        }) as Error;
      await writeFile(join(folder, 'open'), 'a-token-of-some-length', { mode: 0o644 });
      await expect(obtainToken(join(folder, 'open'))).rejects.toEqual(failed(/chmod 600/));
      await writeFile(join(folder, 'short'), 'secret', { mode: 0o600 });
      await expect(obtainToken(join(folder, 'short'))).rejects.toEqual(failed(/^(?!.*secret).*16 to 256/));
      await expect(obtainToken(join(folder, 'none', 'token'))).rejects.toEqual(failed(/ENOENT/));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
