import { createMachine, type AnyStateMachine } from 'xstate';

const phases = ['join', 'find', 'agree', 'work', 'prove', 'leave'];
const statesInPhase = 9;

/**
 * A machine of 60 states and 96 transitions, as an application might have: six phases of nine states each, that run
 * through, wait, try again, give up, and go on to the next phase.
 */
export function largeMachine(): AnyStateMachine {
  const states = Object.fromEntries(phases.map((phase, index) => [phase, phaseOf(phase, phases[index + 1])]));
  return createMachine({ id: 'large', initial: 'join', on: { 'large.stop': '.leave' }, states });
}

function phaseOf(phase: string, next: string | undefined): object {
  const names = Array.from({ length: statesInPhase }, (_, index) => `${phase}${index + 1}`);
  const states = Object.fromEntries(names.map((name, index) => [name, stateOf(names, index)]));
  return {
    initial: names[0],
    entry: 'noteStart',
    ...(next !== undefined && { on: { [`${phase}.over`]: { target: next, actions: 'noteEnd' } } }),
    states,
  };
}

function stateOf(names: readonly string[], index: number): object {
  const name = names[index] ?? '';
  const [after, behind, first] = [names[index + 1], names[index - 2], names[0]];
  const step = { [`${name}.done`]: after };
  const again = { [`${name}.failed`]: { target: behind, guard: 'canRetry', actions: 'countAttempt' } };
  return {
    ...(index % 4 === 1 && { entry: ['plan', 'tell'] }),
    ...(index % 3 === 2 && { after: { patienceMs: first } }),
    on: { ...(after !== undefined && step), ...(behind !== undefined && index % 2 === 0 && again) },
  };
}
