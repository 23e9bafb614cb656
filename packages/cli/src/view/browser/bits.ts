import type { LiveActor } from '@lloom/inspector';
import type { Elements } from './elements.ts';
import type { Child, Choose, Piece, Target } from './types.ts';
import type { Words } from './words.ts';

/** How something stands: its colour, always with a word beside it. */
export type Tone = 'good' | 'bad' | 'warn' | 'info' | 'plain';

/** Small things that many parts draw. */
export interface Bits {
  readonly pill: (text: string, tone?: Tone) => Piece;
  /** A button that looks at something more closely. */
  readonly opener: (target: Target, label: string, ...children: readonly Child[]) => Piece;
  /** A button with a peer's short id. */
  readonly peerLink: (peerId: string) => Piece;
  readonly copyButton: (text: string, what: string) => Piece;
  /** Names with what they are; those without a value are left out. */
  readonly facts: (...rows: readonly (readonly [string, Child])[]) => Piece;
  readonly nothing: (text: string) => Piece;
  /** What a peer or node is, as a shape. */
  readonly mark: (role: string, radius?: number) => Piece;
  /** Of ids of states, those that hold none of the others. */
  readonly innermost: (states: readonly string[]) => readonly string[];
  /** The innermost states that an actor is in, without its machine's name. */
  readonly statesOf: (actor: LiveActor) => readonly string[];
  /** How an actor stands: the states it is in, or how it ended. */
  readonly standing: (actor: LiveActor) => Piece;
  /** A button for what is left out of a list, when something is. */
  readonly more: (left: number, what: string, show: () => void) => Child;
}

/** Makes the small things that many parts draw. */
export function createBits({ h }: Elements, words: Words, choose: Choose): Bits {
  const opener: Bits['opener'] = (target, label, ...children) =>
    h(
      'button',
      {
        type: 'button',
        class: 'link',
        'aria-label': label,
        title: label,
        on: { click: () => choose(({ open }) => ({ open: [...open.slice(-7), target] })) },
      },
      ...children,
    );

  const peerLink: Bits['peerLink'] = (peerId) =>
    peerId === ''
      ? h('span', { class: 'soft' }, 'unknown')
      : opener({ kind: 'peer', id: peerId }, `Peer ${peerId}`, h('code', {}, words.short(peerId)));

  const copyButton: Bits['copyButton'] = (text, what) =>
    h(
      'button',
      {
        type: 'button',
        class: 'quiet',
        'aria-label': `Copy ${what}`,
        on: {
          click: ({ currentTarget }) => {
            const say = (word: string): void => {
              if (currentTarget instanceof HTMLElement) currentTarget.dataset['said'] = word;
              setTimeout(
                () => currentTarget instanceof HTMLElement && delete currentTarget.dataset['said'],
                1_500,
              );
            };
            navigator.clipboard.writeText(text).then(
              () => say('copied'),
              () => say('not allowed'),
            );
          },
        },
      },
      'Copy',
    );

  const facts: Bits['facts'] = (...rows) =>
    h(
      'dl',
      { class: 'facts' },
      ...rows
        .filter(([, value]) => value !== undefined && value !== false && value !== '')
        .map(([name, value]) => h('div', { key: name }, h('dt', {}, name), h('dd', {}, value))),
    );

  const shapes: Readonly<Record<string, string>> = {
    executor: 'M-.8-.8h1.6v1.6h-1.6z',
    validator: 'M0-1L.87-.5V.5L0 1L-.87.5V-.5z',
    relay: 'M0-1.1L1.1 0L0 1.1L-1.1 0z',
  };

  const mark: Bits['mark'] = (role, radius = 7) => {
    const shape = Object.hasOwn(shapes, role) ? shapes[role] : undefined;
    const look = shape === undefined ? 'peer' : role;
    return shape === undefined
      ? h('circle', { class: `mark ${look}`, r: radius * 0.9 })
      : h('path', { class: `mark ${look}`, d: shape, transform: `scale(${radius})` });
  };

  const innermost: Bits['innermost'] = (states) =>
    states.filter((state) => !states.some((other) => other.startsWith(`${state}.`)));

  const statesOf: Bits['statesOf'] = ({ states, machine = '' }) =>
    innermost(states).map((state) =>
      state.startsWith(`${machine}.`) ? state.slice(machine.length + 1) : state,
    );

  const pill: Bits['pill'] = (text, tone = 'plain') => h('span', { class: `pill ${tone}` }, text);

  const standing: Bits['standing'] = (actor) => {
    const states = statesOf(actor).join(' · ');
    if (actor.status === 'active') return pill(states === '' ? 'active' : states, 'info');
    const said = states === '' || states === actor.status ? actor.status : `${actor.status} · ${states}`;
    return pill(said, { done: 'good', error: 'bad', stopped: 'plain' }[actor.status] as Tone);
  };

  const more: Bits['more'] = (left, what, show) =>
    left > 0 &&
    h(
      'p',
      { key: 'more', class: 'more' },
      h('button', { type: 'button', class: 'quiet', on: { click: show } }, `Show more`),
      ` ${words.counted(left, what)} not shown`,
    );

  return {
    pill,
    opener,
    peerLink,
    copyButton,
    facts,
    nothing: (text) => h('p', { class: 'nothing' }, text),
    mark,
    innermost,
    statesOf,
    standing,
    more,
  };
}
