import * as fc from 'fast-check';
import { createMachine, type AnyStateMachine } from 'xstate';

/** A state of a random machine, before its transitions are known. */
interface Plan {
  readonly kind: 'atomic' | 'final' | 'shallow' | 'deep' | 'compound' | 'parallel';
  readonly children: readonly Plan[];
}

interface Move {
  readonly from: number;
  readonly to: number;
  readonly by: 'event' | 'wildcard' | 'after' | 'always' | 'done';
  readonly isGuarded: boolean;
  readonly isTargeted: boolean;
  readonly reenter: boolean;
}

const leaf: fc.Arbitrary<Plan> = fc
  .constantFrom<Plan['kind']>('atomic', 'atomic', 'atomic', 'final', 'shallow', 'deep')
  .map((kind) => ({ kind, children: [] }));
const { plan } = fc.letrec<{ plan: Plan; group: Plan }>((tie) => ({
  plan: fc.oneof({ maxDepth: 3, withCrossShrink: true }, { arbitrary: leaf, weight: 3 }, tie('group')),
  group: fc.record({
    kind: fc.constantFrom('compound' as const, 'compound' as const, 'parallel' as const),
    children: fc.array(tie('plan'), { minLength: 1, maxLength: 4 }),
  }),
}));
const move: fc.Arbitrary<Move> = fc.record({
  from: fc.nat(),
  to: fc.nat(),
  by: fc.constantFrom('event', 'event', 'wildcard', 'after', 'always', 'done'),
  isGuarded: fc.boolean(),
  isTargeted: fc.boolean(),
  reenter: fc.boolean(),
});

type Config = Record<string, unknown>;

const machines = (moves: fc.Arbitrary<Move>): fc.Arbitrary<AnyStateMachine> =>
  fc
    .tuple(fc.array(plan, { minLength: 1, maxLength: 4 }), fc.array(moves, { maxLength: 16 }))
    .map(([children, made]) => machineOf({ kind: 'compound', children }, made));

/** Machines with nested and parallel states, history, and transitions of every sort from anywhere to anywhere. */
export const anyMachine = machines(move);

/** The same without transitions that may be taken at once, again and again: a wildcard fits ends of states, too. */
export const restingMachine = machines(move.filter(({ by }) => by === 'event' || by === 'after'));

function machineOf(root: Plan, moves: readonly Move[]): AnyStateMachine {
  const all: { config: Config; kind: Plan['kind'] }[] = [];
  const config = configOf(root, all);
  const sources = all.filter(({ kind }) => kind !== 'final' && kind !== 'shallow' && kind !== 'deep');
  for (const each of moves) addMove(each, { sources: sources.map((source) => source.config), all });
  return createMachine(config as never);
}

function configOf({ kind, children }: Plan, all: { config: Config; kind: Plan['kind'] }[]): Config {
  const own: Config = { id: `n${all.length}`, on: {}, after: {} };
  const isEmpty = children.every((child) => child.kind === 'shallow' || child.kind === 'deep');
  const isGroup = children.length > 0 && !isEmpty;
  all.push({ config: own, kind: isGroup || children.length === 0 ? kind : 'atomic' });
  if (kind === 'final') return Object.assign(own, { type: 'final' });
  if (kind === 'shallow' || kind === 'deep') return Object.assign(own, { type: 'history', history: kind });
  if (!isGroup) return own;
  const states = Object.fromEntries(children.map((child, index) => [`s${index}`, configOf(child, all)]));
  const first = children.findIndex((child) => child.kind !== 'shallow' && child.kind !== 'deep');
  return Object.assign(own, { states }, kind === 'parallel' ? { type: kind } : { initial: `s${first}` });
}

function addMove(
  { from, to, by, isGuarded, isTargeted, reenter }: Move,
  { sources, all }: { sources: readonly Config[]; all: readonly { config: Config }[] },
): void {
  const source = sources[from % sources.length] ?? {};
  const target = `#${String(all[to % all.length]?.config['id'])}`;
  const transition = { ...(isTargeted && { target }), ...(isGuarded && { guard: 'isRight' }), reenter };
  if (by === 'always')
    return void (source['always'] = [...((source['always'] ?? []) as unknown[]), transition]);
  if (by === 'done') return void (source['onDone'] = [transition]);
  const at = by === 'after' ? 'after' : 'on';
  const key = by === 'after' ? to % 3 : by === 'event' ? `e${to % 3}` : '*';
  const table = source[at] as Record<string, unknown[]>;
  table[key] = [...(table[key] ?? []), transition];
}
