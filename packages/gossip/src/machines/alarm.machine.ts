import { emit, setup } from 'xstate';

/** What happens to an alarm: something that it warns of. */
export type AlarmEvent = { readonly type: 'alarm.cause' };

/** What an alarm tells the service. */
export type AlarmEmitted = { readonly type: 'alarm.raised' } | { readonly type: 'alarm.over' };

/** It is over when there was no cause for so long. */
const quietAfterMs = 30_000;

/** An alarm of the whole node: raised by its first cause, over when there was none for a while. */
export const alarmMachine = setup({
  types: {} as { events: AlarmEvent; emitted: AlarmEmitted },
  delays: { quietAfterMs },
  actions: {
    tellRaised: emit({ type: 'alarm.raised' }),
    tellOver: emit({ type: 'alarm.over' }),
  },
}).createMachine({
  id: 'alarm',
  initial: 'quiet',
  states: {
    quiet: { on: { 'alarm.cause': { target: 'raised', actions: 'tellRaised' } } },
    raised: {
      on: { 'alarm.cause': { target: 'raised', reenter: true } },
      after: { quietAfterMs: { target: 'quiet', actions: 'tellOver' } },
      description: 'Begins anew with each cause.',
    },
  },
});
