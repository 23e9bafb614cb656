import { assign, setup } from 'xstate';
import { type Run, type RunEntry } from '../src/index.ts';

type Kind = RunEntry['type'];

/** The entries of one sort, without what is not asked for. */
export function entriesOf<Type extends Kind>(run: Run, type: Type) {
  return run.entries.filter((entry): entry is Extract<RunEntry, { type: Type }> => entry.type === type);
}

/** One line for each entry. */
export function storyOf(run: Run): string[] {
  const name = (index: number | undefined): string =>
    index === undefined ? 'outside' : (run.actors[index]?.name ?? '?');
  return run.entries.map((entry) => {
    switch (entry.type) {
      case 'started':
        return `${name(entry.actor)} starts ${entry.entered.join(' ')}`.trim();
      case 'stopped':
        return `${name(entry.actor)} ends: ${entry.status}`;
      case 'sent':
        return `${name(entry.from)} sends ${entry.event} to ${name(entry.to)}`;
      case 'ignored':
        return `${name(entry.actor)} ignores ${entry.event}`;
      default: {
        const how = entry.always ? 'by itself takes' : 'takes';
        return `${name(entry.actor)} ${how} ${entry.transitions.join(' and ')}`;
      }
    }
  });
}

/** Opens by itself when it was paid twice; two guards never let anybody kick it open. */
export const gateMachine = setup({
  types: {} as {
    context: { coins: number };
    events: { type: 'gate.pay' } | { type: 'gate.push' } | { type: 'gate.kick' } | { type: 'gate.reset' };
  },
  guards: { isPaid: ({ context }) => context.coins >= 2, isBroken: () => false, isStrong: () => false },
  actions: { addCoin: assign({ coins: ({ context }) => context.coins + 1 }) },
}).createMachine({
  id: 'gate',
  context: { coins: 0 },
  initial: 'locked',
  on: { 'gate.reset': { target: '.locked' } },
  states: {
    locked: {
      always: { guard: 'isPaid', target: 'free' },
      on: {
        'gate.pay': { actions: 'addCoin' },
        'gate.kick': [
          { guard: 'isBroken', target: 'free' },
          { guard: 'isStrong', target: 'free' },
        ],
      },
    },
    free: {
      on: { 'gate.push': [{ guard: 'isBroken', target: 'free' }, { target: 'passed' }] },
    },
    passed: { type: 'final' },
  },
});
