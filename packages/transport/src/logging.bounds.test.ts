import { describe, expect, test } from 'vitest';
import { begin } from '../test/support/logs.ts';
import { createLog, type LogRecord, type LogSink } from './index.ts';

describe('records beyond so many a second', () => {
  test('are left out, and one says how many', () => {
    const { log, said, advance, timers } = begin({ level: 'info', maxRecordsPerSecond: 2 });
    const logger = log.forComponent('lloom:test');
    for (let at = 0; at < 5; at++) logger(`${at}`);
    expect(said()).toEqual(['info lloom:test 0', 'info lloom:test 1']);
    advance(1_000);
    expect(said()).toEqual(['info lloom:log records were left out']);
    logger('again');
    advance(60_000);
    expect(said()).toEqual(['info lloom:test again']);
    expect(timers.size).toBe(0);
  });

  test('are a thousand unless told otherwise, and how many is a field', () => {
    const { log, seen, advance } = begin({ level: 'info' });
    for (let at = 0; at < 1_500; at++) log.forComponent('lloom:test')('line');
    expect(seen()).toHaveLength(1_000);
    advance(1_000);
    expect(seen()).toMatchObject([{ fields: { records: 500, errors: 0 } }]);
  });

  test('are counted apart for errors, for info, and for all details', () => {
    const { log, said, seen, advance } = begin({ level: 'trace', maxRecordsPerSecond: 2 });
    const [other, own] = [log.forComponent('libp2p:tcp'), log.forComponent('lloom:test')];
    for (let at = 0; at < 3; at++) other.trace('trace');
    other('debug');
    own.trace('debug');
    for (let at = 0; at < 3; at++) own('info');
    for (let at = 0; at < 3; at++) own.error('error');
    expect(said()).toEqual([
      ...['trace libp2p:tcp trace', 'trace libp2p:tcp trace'],
      ...['info lloom:test info', 'info lloom:test info'],
      ...['error lloom:test error', 'error lloom:test error'],
    ]);
    advance(1_000);
    expect(seen()).toMatchObject([
      { message: 'records were left out', level: 'info', fields: { records: 5, errors: 1 } },
    ]);
    other.trace('trace');
    own.error('error');
    expect(seen()).toHaveLength(2);
  });
});

describe('a sink', () => {
  test.each<[string, LogSink]>([
    ['rejects', () => Promise.reject(new Error('disk full'))],
    [
      'throws',
      () => {
        throw new Error('disk full');
      },
    ],
  ])('that %s breaks nothing, and is told once beneath', async (_, sink) => {
    const told: LogRecord[] = [];
    const beneath = createLog({ level: 'error', sink: (record) => told.push(record) });
    const { log } = begin({ level: 'info', beneath, sink });
    log.forComponent('lloom:test')('one');
    log.forComponent('lloom:test')('two');
    await Promise.resolve();
    await Promise.resolve();
    expect(told).toMatchObject([{ component: 'lloom:log', error: { message: 'disk full' } }]);
  });

  test('that logs does not hear itself', () => {
    const messages: string[] = [];
    const log = createLog({
      level: 'info',
      sink: ({ message }) => {
        messages.push(message);
        log.forComponent('lloom:test')('from the sink');
      },
    });
    log.forComponent('lloom:test')('one');
    log.forComponent('lloom:test')('two');
    expect(messages).toEqual(['one', 'two']);
  });
});
