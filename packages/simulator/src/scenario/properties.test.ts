import { expect, test } from 'vitest';
import type { Measurement } from '../measures.ts';
import { PropertyWatch } from './properties.ts';
import type { ScenarioProperty } from './types.ts';

const base = { what: 'Questions are answered', measure: 'answeredShare', atLeast: 0.5 } as const;

/** Asks a property of measurements, one each second, and gives what became of it. */
function outcome(
  property: Partial<ScenarioProperty>,
  values: readonly (number | Measurement)[],
  isWhole = true,
) {
  let now: Measurement = { value: 0, count: 0 };
  const watch = new PropertyWatch({ ...base, when: 'always', ...property }, { measure: () => now });
  for (const [index, value] of values.entries()) {
    now = typeof value === 'number' ? { value, count: 10 } : value;
    watch.ask((index + 1) * 1_000);
  }
  const { holds, isDecided, atMs, detail } = watch.end(values.length * 1_000, isWhole);
  return { holds, isDecided, atMs, detail };
}
const nothing = { value: 0, count: 0 };

test('what must always hold is lost with the first sample in which it does not', () => {
  expect(outcome({}, [1, 0.5])).toMatchObject({ holds: true, atMs: 2_000 });
  expect(outcome({}, [1, 0.4, 1])).toEqual({
    holds: false,
    isDecided: true,
    atMs: 2_000,
    detail: 'answeredShare is 0.4, of 10; want at least 0.5',
  });
  expect(outcome({ fromMs: 3_000 }, [0, 0, 1])).toMatchObject({ holds: true });
});

test('what must eventually hold is won with the first sample in which it does, in time', () => {
  const when = 'eventually';
  expect(outcome({ when }, [0, 0.7, 0])).toEqual({
    holds: true,
    isDecided: true,
    atMs: 2_000,
    detail: 'answeredShare is 0.7, of 10; want at least 0.5 by 2,000 ms',
  });
  expect(outcome({ when, withinMs: 2_000 }, [0, 0.2, 1])).toEqual({
    holds: false,
    isDecided: true,
    atMs: 3_000,
    detail: 'answeredShare is 0.2, of 10; want at least 0.5 by 2,000 ms',
  });
  expect(outcome({ when, fromMs: 2_000 }, [1, 0])).toMatchObject({ holds: false });
});

test('what must finally hold is asked at the end alone', () => {
  const when = 'finally';
  expect(outcome({ when }, [0, 1])).toMatchObject({ holds: true, atMs: 2_000 });
  expect(outcome({ when }, [1, 0])).toMatchObject({ holds: false, atMs: 2_000 });
});

test('both bounds count, and belong to what is allowed', () => {
  const bounds = { when: 'finally', atLeast: 0.2, atMost: 0.4 } as const;
  expect(outcome(bounds, [0.2])).toMatchObject({ holds: true });
  expect(outcome(bounds, [0.4])).toMatchObject({ holds: true });
  expect(outcome(bounds, [0.41])).toEqual({
    holds: false,
    isDecided: true,
    atMs: 1_000,
    detail: 'answeredShare is 0.41, of 10; want at least 0.2 and at most 0.4',
  });
});

test.each(['always', 'eventually', 'finally'] as const)('nothing %s holds of nothing', (when) => {
  const atMost = { atLeast: undefined, atMost: 1 } as unknown as Partial<ScenarioProperty>;
  expect(outcome({ ...atMost, when }, [nothing, nothing])).toMatchObject({
    holds: false,
    detail: expect.stringContaining('answeredShare had less than 1 to measure') as string,
  });
  const few = { value: 1, count: 9 };
  expect(outcome({ when, minCount: 10 }, [few])).toMatchObject({ holds: false });
  expect(outcome({ when, minCount: 9 }, [nothing, few])).toMatchObject({ holds: true });
});

test('nobody has to be down for there to be no stale offers', () => {
  const none = { measure: 'staleOffers', atLeast: 0, atMost: 0 } as const;
  expect(outcome(none, [nothing])).toMatchObject({ holds: true });
});

test('a run that ends too early decides nothing in favour of a property', () => {
  expect(outcome({ fromMs: 5_000 }, [1])).toEqual({
    holds: false,
    isDecided: true,
    atMs: 1_000,
    detail: 'the run ended before 5,000 ms; want at least 0.5',
  });
  expect(outcome({ when: 'eventually', withinMs: 5_000 }, [0])).toMatchObject({ holds: false });
});

test('a run that was ended early leaves open what was still to be asked, and nothing else', () => {
  const [open, held, lost] = [
    { holds: false, isDecided: false },
    { holds: true, isDecided: true },
    { holds: false, isDecided: true },
  ];
  const early = (property: Partial<ScenarioProperty>, value: number) => outcome(property, [value], false);
  expect(early({ when: 'finally' }, 1)).toMatchObject(open);
  expect(early({ when: 'finally' }, 0)).toMatchObject(open);
  expect(early({ fromMs: 5_000 }, 1)).toMatchObject(open);
  expect(early({}, 1)).toMatchObject(held);
  expect(early({}, 0)).toMatchObject(lost);
  expect(early({ when: 'eventually', withinMs: 5_000 }, 0)).toMatchObject(open);
  expect(early({ when: 'eventually', withinMs: 5_000 }, 1)).toMatchObject(held);
  expect(early({ when: 'eventually', withinMs: 1_000 }, 0)).toMatchObject(lost);
});

test('a percentile is named', () => {
  const slow = {
    measure: 'latencyMs',
    of: { percentile: 90 },
    when: 'finally',
    atMost: 100,
    atLeast: 0,
  } as const;
  expect(outcome(slow, [250.123456]).detail).toBe(
    'latencyMs p90 is 250.1235, of 10; want at least 0 and at most 100',
  );
});
