import { expect, test } from 'vitest';
import { RunningTrace } from './trace.ts';

const traceOf = (lines: readonly string[], keptLines = 10): RunningTrace => {
  let elapsedMs = 0;
  const trace = new RunningTrace(() => (elapsedMs += 500), keptLines);
  for (const line of lines) trace.note(line);
  return trace;
};

test('a trace shows its last lines with their time, oldest first', () => {
  expect(traceOf(['a', 'b', 'c']).tail(2)).toEqual(['1.000000 b', '1.500000 c']);
});

test('a trace keeps as many lines as it was told, and counts and digests all', () => {
  const many = Array.from({ length: 25 }, (_, index) => `line ${index}`);
  const trace = traceOf(many);
  expect(trace.length).toBe(25);
  expect(trace.tail(100)).toHaveLength(10);
  expect(trace.tail(1)).toEqual(['12.500000 line 24']);
  expect(trace.hash()).toBe(traceOf(many, 100).hash());
});

test('a trace of other things, of another order or of other times has another digest', () => {
  const hashes = [['a', 'b'], ['b', 'a'], ['a'], ['a', 'b', 'c']].map((lines) => traceOf(lines).hash());
  expect(new Set(hashes).size).toBe(4);
});

test('a digest may be asked for at any time', () => {
  const trace = traceOf(['a']);
  const before = trace.hash();
  trace.note('b');
  expect(trace.hash()).not.toBe(before);
});

test('a long line is cut', () => {
  expect(traceOf(['x'.repeat(1_000)]).tail(1)[0]!.length).toBeLessThan(220);
});

test('whoever listens is told each line', () => {
  const lines: string[] = [];
  const trace = new RunningTrace(
    () => 0,
    1,
    (line) => lines.push(line),
  );
  trace.note('a');
  trace.note('b');
  expect(lines).toEqual(['0.000000 a', '0.000000 b']);
});
